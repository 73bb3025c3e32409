#include "lib/base/directory.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "lib/base/error.h"

namespace hato {

namespace {

// struct linux_dirent64 of getdents64(2): inode 8 bytes, offset 8, record length 2, type 1, name.
constexpr std::size_t length_at = 16, type_at = 18, name_at = 19;
constexpr std::size_t piece_bytes = 32 * 1024;

}  // namespace

void read_directory(int directory, std::string_view what,
                    const std::function<void(const DirectoryEntry&)>& each) {
  const std::unique_ptr<char[]> piece(new char[piece_bytes]);
  for (;;) {
    const long got = syscall(SYS_getdents64, directory, piece.get(), piece_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read directory " + std::string(what));
    if (got == 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      const char* record = piece.get() + at;
      std::uint16_t length;
      memcpy(&length, record + length_at, sizeof length);
      const DirectoryEntry entry{record + name_at, static_cast<unsigned char>(record[type_at])};
      if (entry.name != "." && entry.name != "..") each(entry);
      at += length;
    }
  }
}

}  // namespace hato

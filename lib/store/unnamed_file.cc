#include "lib/store/unnamed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "lib/base/error.h"

namespace hato {

namespace {

constexpr std::size_t in_memory = 1U << 20;

// Up to `size` bytes; fewer only at the end.
std::size_t read_some(int fd, char* space, std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    const ssize_t n = read(fd, space + have, size - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read message");
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  return have;
}

}  // namespace

UnnamedFile make_unnamed_file() {
  for (const char* directory : {"/var/tmp", "/tmp"}) {
    std::string name = std::string(directory) + "/message.XXXXXX";
    UnnamedFile file;
    file.writing.reset(mkostemp(name.data(), O_CLOEXEC));
    if (!file.writing) continue;
    file.reading = try_open(name, O_RDONLY);
    const int error = errno;
    unlink(name.c_str());
    if (!file.reading) throw SystemError("open " + name, error);
    return file;
  }
  throw_errno("create a file in /var/tmp or /tmp");
}

Fd seekable_copy(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) throw_errno("read message");
  if (S_ISREG(status.st_mode) && lseek(fd, 0, SEEK_CUR) >= 0) return Fd();
  const auto space = std::make_unique<char[]>(in_memory);
  std::size_t have = read_some(fd, space.get(), in_memory);
  if (have < in_memory) {
    Fd memory(memfd_create("message", MFD_CLOEXEC));
    if (!memory) throw_errno("memfd_create");
    write_all(memory.get(), {space.get(), have}, "a copy of the message");
    if (lseek(memory.get(), 0, SEEK_SET) != 0) throw_errno("seek in a copy of the message");
    return memory;
  }
  UnnamedFile file = make_unnamed_file();
  for (; have > 0; have = read_some(fd, space.get(), in_memory))
    write_all(file.writing.get(), {space.get(), have}, "a copy of the message");
  return std::move(file.reading);
}

}  // namespace hato

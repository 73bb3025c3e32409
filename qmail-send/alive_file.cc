#include "qmail-send/alive_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"

namespace hato {

std::int64_t read_alive(const std::string& path) {
  const std::optional<std::string> text = read_file(path, 100);
  std::int64_t seconds = 0;
  if (text)
    for (const char c : *text)
      if (c >= '0' && c <= '9' && seconds < INT32_MAX * 1000LL) seconds = seconds * 10 + (c - '0');
  struct stat st;
  if (seconds == 0 && stat(path.c_str(), &st) == 0) seconds = st.st_mtime;
  return seconds;
}

void write_alive(const std::string& path, std::int64_t seconds) {
  const Fd alive = try_open(path, O_WRONLY | O_NOFOLLOW);
  const std::string text = std::to_string(seconds) + "\n";
  if (!alive || pwrite(alive.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    throw_errno("write " + path);
}

}  // namespace hato

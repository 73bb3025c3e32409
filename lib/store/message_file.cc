#include "lib/store/message_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

MessageFile::MessageFile(int fd) : fd_(fd), start_(lseek(fd, 0, SEEK_CUR)), size_(0) {
  if (start_ < 0) throw_errno("seek in the message");
  struct stat status;
  if (fstat(fd, &status) != 0) throw_errno("stat the message");
  size_ = std::max<off_t>(status.st_size - start_, 0);
}

std::string_view MessageFile::piece(off_t at) {
  if (held_ > 0 && at >= held_at_ && at < held_at_ + static_cast<off_t>(held_)) {
    const std::size_t skip = static_cast<std::size_t>(at - held_at_);
    return {space_.get() + skip, held_ - skip};
  }
  if (at >= size_) return {};
  if (capacity_ == 0 || at > 0) {  // the first piece may be all there is: no more memory than it needs
    const std::size_t want =
        std::min<std::size_t>(at == 0 ? small_piece : large_piece, static_cast<std::size_t>(size_));
    if (capacity_ < want) {
      held_ = 0;
      space_.reset(new char[want]);
      capacity_ = want;
    }
  }
  const std::size_t want = std::min<std::size_t>(capacity_, static_cast<std::size_t>(size_ - at));
  held_at_ = at;
  held_ = 0;
  while (held_ < want) {
    const ssize_t n = pread(fd_, space_.get() + held_, want - held_, start_ + at + static_cast<off_t>(held_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw MessageReadError("read the message", errno);
    if (n == 0) throw MessageReadError("read the message", EIO);
    held_ += static_cast<std::size_t>(n);
  }
  return {space_.get(), held_};
}

bool MessageFile::header_has_line(std::string_view line) {
  off_t at = 0;
  bool line_start = true;        // the next byte begins a line
  std::string_view rest = line;  // what of `line` the current line still has to match
  bool matching = true;
  for (std::string_view here = piece(0); !here.empty(); here = piece(at)) {
    at += static_cast<off_t>(here.size());
    while (!here.empty()) {
      if (line_start) {
        if (here.front() == '\n') return false;  // end of the header
        rest = line;
        matching = true;
        line_start = false;
      }
      if (matching) {
        const std::size_t n = std::min(rest.size(), here.size());
        if (here.substr(0, n) == rest.substr(0, n)) {
          rest.remove_prefix(n);
          if (rest.empty()) return true;  // line ends with LF, so the whole line is equal
          here.remove_prefix(n);
          continue;
        }
        matching = false;
      }
      const std::size_t lf = here.find('\n');
      if (lf == std::string_view::npos) break;
      here.remove_prefix(lf + 1);
      line_start = true;
    }
  }
  return false;
}

}  // namespace hato

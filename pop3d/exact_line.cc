#include "pop3d/exact_line.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato {

namespace {

// Up to and with the LF; all of it where there is none.
std::size_t line_length(const char* data, std::size_t size) {
  const char* lf = static_cast<const char*>(memchr(data, '\n', size));
  return lf == nullptr ? size : static_cast<std::size_t>(lf - data) + 1;
}

}  // namespace

// At least one byte and none beyond a LF; 0 at the end of the input.
std::size_t ExactLineReader::read_piece(char* data, std::size_t size, Deadline deadline) {
  for (;;) {
    if (!wait_readable(fd_, deadline)) throw TimeoutError("read client: timed out");
    std::size_t wanted = 1;
    if (socket_) {
      const ssize_t seen = recv(fd_, data, size, MSG_PEEK | MSG_DONTWAIT);
      if (seen < 0 && errno == ENOTSOCK) {
        socket_ = false;
        continue;
      }
      if (seen < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (seen < 0) throw_errno("read client");
      if (seen == 0) return 0;
      wanted = line_length(data, static_cast<std::size_t>(seen));
    }
    const ssize_t got = ::read(fd_, data, wanted);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR && errno != EAGAIN) throw_errno("read client");
  }
}

ExactLineReader::Result ExactLineReader::read_line(std::string& line, std::size_t limit, Deadline deadline) {
  line.clear();
  char space[512];
  Result result = Result::too_long;
  while (line.size() <= limit) {
    const std::size_t room = std::min(sizeof space, limit + 1 - line.size());
    const std::size_t n = read_piece(space, room, deadline);
    line.append(space, n);
    if (n == 0) result = Result::eof;
    if (n > 0 && line.back() == '\n') {
      line.pop_back();
      result = Result::complete;
    }
    if (result != Result::too_long) break;
  }
  explicit_bzero(space, sizeof space);  // it may have held a password
  return result;
}

}  // namespace hato

#include "lib/base/io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

namespace {

// Milliseconds that one read or write may take now, -1: for ever. The clock is asked only where there is a
// limit for all of them together.
int limit_of_one(std::int64_t timeout_seconds, Deadline all) {
  const int left = all.poll_ms();
  if (timeout_seconds <= 0) return left;
  const int one = timeout_seconds < INT_MAX / 1000 ? static_cast<int>(timeout_seconds) * 1000 : INT_MAX;
  return left < 0 ? one : std::min(one, left);
}

// False when the time for one read or write is over before fd is ready.
bool wait_for(int fd, short events, std::int64_t timeout_seconds, Deadline all) {
  for (;;) {
    pollfd p{fd, events, 0};
    const int n = poll(&p, 1, limit_of_one(timeout_seconds, all));
    if (n > 0) return true;
    if (n == 0) return false;
    if (errno != EINTR) throw_errno("poll");
  }
}

// Passing read or write themselves would switch libowfat to a writev path that repeats bytes after a short
// write.
template <typename Op>
ssize_t (*as_owfat_op(Op* op))() {
  return reinterpret_cast<ssize_t (*)()>(reinterpret_cast<void (*)()>(op));
}

}  // namespace

bool wait_readable(int fd, Deadline deadline) {
  return wait_for(fd, POLLIN, 0, deadline);
}
bool wait_writable(int fd, Deadline deadline) {
  return wait_for(fd, POLLOUT, 0, deadline);
}

Writer::Writer(int fd, std::string name, std::int64_t timeout_seconds, std::size_t space)
    : fd_(fd), name_(std::move(name)), timeout_seconds_(timeout_seconds), space_(new char[space]) {
  buffer_init(&buffer_, as_owfat_op(&Writer::op), fd, space_.get(), space);
  buffer_.cookie = this;
}

ssize_t Writer::op(int fd, const char* data, std::size_t size, void* self) {
  Writer* writer = static_cast<Writer*>(static_cast<buffer*>(self)->cookie);
  if (writer->error_ != 0) return -1;
  bool full = false;
  for (;;) {
    if (full || (!writer->socket_ && limit_of_one(writer->timeout_seconds_, writer->deadline_) >= 0)) {
      try {
        if (!wait_for(fd, POLLOUT, writer->timeout_seconds_, writer->deadline_))
          return writer->fail(ETIMEDOUT);
      } catch (const SystemError& e) {  // must not fly through C
        return writer->fail(e.error());
      }
    }
    // A socket that has room takes it at once: only a full one is waited for.
    const ssize_t n =
        writer->socket_ ? send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) : ::write(fd, data, size);
    if (n >= 0) return n;
    full = errno == EAGAIN;
    if (errno == ENOTSOCK)
      writer->socket_ = false;
    else if (errno != EINTR && errno != EAGAIN)
      return writer->fail(errno);
  }
}

ssize_t Writer::fail(int error) {
  error_ = error;
  return -1;
}

void Writer::check() const {
  if (error_ == ETIMEDOUT) throw TimeoutError("write " + name_ + ": timed out");
  if (error_ != 0) throw SystemError("write " + name_, error_);
}

void Writer::put(std::string_view data) {
  check();
  buffer_put(&buffer_, data.data(), data.size());
  check();
}

void Writer::flush() {
  check();
  buffer_flush(&buffer_);
  check();
}

Reader::Reader(int fd, std::string name, std::int64_t timeout_seconds, std::size_t space)
    : fd_(fd), name_(std::move(name)), timeout_seconds_(timeout_seconds), space_(new char[space]) {
  buffer_init(&buffer_, as_owfat_op(&Reader::op), fd, space_.get(), space);
  buffer_.cookie = this;
}

ssize_t Reader::op(int fd, char* data, std::size_t size, void* self) {
  Reader* reader = static_cast<Reader*>(static_cast<buffer*>(self)->cookie);
  bool empty = limit_of_one(reader->timeout_seconds_, reader->deadline_) >= 0;
  for (;;) {
    try {
      if (empty && !wait_for(fd, POLLIN, reader->timeout_seconds_, reader->deadline_))
        return reader->fail(ETIMEDOUT);
    } catch (const SystemError& e) {
      return reader->fail(e.error());
    }
    const ssize_t n = ::read(fd, data, size);
    if (n >= 0) return n;
    if (errno == EAGAIN)
      empty = true;
    else if (errno != EINTR)
      return reader->fail(errno);
  }
}

ssize_t Reader::fail(int error) {
  error_ = error;
  return -1;
}

std::string_view Reader::buffered() const {
  return {buffer_.x + buffer_.p, buffer_.n - buffer_.p};
}

void Reader::discard_buffered() {
  consume(buffered().size());
}

std::string_view Reader::peek() {
  if (!buffered().empty()) return buffered();
  if (writer_ != nullptr) writer_->flush();
  if (buffer_feed(&buffer_) < 0) {
    if (error_ == ETIMEDOUT) throw TimeoutError("read " + name_ + ": timed out");
    throw SystemError("read " + name_, error_);
  }
  return buffered();
}

void Reader::consume(std::size_t n) {
  buffer_SEEK(&buffer_, n);
}

Reader::Line Reader::read_line(std::string& line, std::size_t limit) {
  line.clear();
  for (;;) {
    const std::string_view have = peek();
    if (have.empty()) return line.empty() ? Line::eof : Line::partial;
    const std::size_t room = limit - line.size();
    const void* lf = memchr(have.data(), '\n', have.size() <= room ? have.size() : room + 1);
    if (lf != nullptr) {
      const std::size_t n = static_cast<std::size_t>(static_cast<const char*>(lf) - have.data());
      line.append(have.substr(0, n));
      consume(n + 1);
      return Line::complete;
    }
    if (have.size() > room) {
      line.append(have.substr(0, room));
      consume(room);
      return Line::too_long;
    }
    line.append(have);
    consume(have.size());
  }
}

bool Reader::read_exactly(std::string& data, std::size_t n) {
  data.clear();
  while (data.size() < n) {
    const std::string_view have = peek();
    if (have.empty()) return false;
    const std::size_t take = std::min(have.size(), n - data.size());
    data.append(have.substr(0, take));
    consume(take);
  }
  return true;
}

}  // namespace hato

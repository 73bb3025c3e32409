// Buffered reading and writing with deadlines, on libowfat's buffer.
//
// Both keep their space inside; both throw TimeoutError when the time for one read or write is over and
// SystemError for anything else. libowfat's write side forgets errors: ours remembers the first and throws it
// from every later call. Works on blocking and non-blocking descriptors. Neither closes the descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/base/owfat.h"

namespace hato {

class Writer {
 public:
  // timeout_seconds: how long one write may wait (0: for ever). name: for error texts ("client", "queue").
  Writer(int fd, std::string name, std::int64_t timeout_seconds = 0, std::size_t space = 4096);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void put(std::string_view data);
  void flush();
  void until(Deadline deadline) {
    deadline_ = deadline;
  }  // a limit for all writes together, besides the timeout
  int fd() const { return fd_; }
  bool failed() const { return error_ != 0; }

 private:
  static ssize_t op(int fd, const char* data, std::size_t size, void* self);
  ssize_t fail(int error);
  void check() const;

  int fd_;
  std::string name_;
  std::int64_t timeout_seconds_;
  Deadline deadline_ = Deadline::never();
  bool socket_ = true;  // until the first write tells
  int error_ = 0;       // errno of the first failure; ETIMEDOUT for a deadline
  std::unique_ptr<char[]> space_;
  buffer buffer_;
};

class Reader {
 public:
  // timeout_seconds: how long one read may wait (0: for ever).
  Reader(int fd, std::string name, std::int64_t timeout_seconds = 0, std::size_t space = 4096);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Flush this writer before each read that has to go to the descriptor: the reply side of a pipelined
  // protocol.
  void flush_before_reading(Writer* writer) { writer_ = writer; }
  void until(Deadline deadline) { deadline_ = deadline; }

  // What is buffered, after one read when nothing is. Empty: end of file. Valid until the next call.
  std::string_view peek();
  void consume(std::size_t n);        // n <= peek().size()
  std::string_view buffered() const;  // what came already; never reads
  void discard_buffered();            // STARTTLS: clear-text input never reaches the session after it

  enum class Line {
    complete,  // ended by LF; the LF is consumed and not part of the line (a CR before it is)
    eof,       // end of file and no byte before it
    partial,   // end of file after some bytes without LF
    too_long,  // limit bytes and no LF yet: the line holds the first `limit` bytes, the rest is still to be
               // read
  };
  // limit: bytes before the LF.
  Line read_line(std::string& line, std::size_t limit);

  // Exactly n bytes; false when the input ends before that (what came is in data).
  bool read_exactly(std::string& data, std::size_t n);
  int fd() const { return fd_; }

 private:
  static ssize_t op(int fd, char* data, std::size_t size, void* self);
  ssize_t fail(int error);

  int fd_;
  std::string name_;
  std::int64_t timeout_seconds_;
  Deadline deadline_ = Deadline::never();
  Writer* writer_ = nullptr;
  int error_ = 0;
  std::unique_ptr<char[]> space_;
  buffer buffer_;
};

// Waits until fd is readable (or writable); false when the deadline passed first. EINTR is retried.
bool wait_readable(int fd, Deadline deadline);
bool wait_writable(int fd, Deadline deadline);

}  // namespace hato

// The message on a descriptor: from where its position stood to the end of the file, LF line ends. A delivery
// agent's descriptor 0: everything in front of the position belongs to the queue.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lib/base/error.h"

namespace hato {

// The message's own descriptor failed, not what it was to be copied to.
class MessageReadError : public SystemError {
 public:
  using SystemError::SystemError;
};

class MessageFile {
 public:
  // Remembers the descriptor's position as the first byte, and does not move it: several deliveries read the
  // same message. Does not own the descriptor. Throws SystemError when it cannot seek.
  explicit MessageFile(int fd);

  off_t size() const { return size_; }
  int descriptor() const { return fd_; }
  std::uint64_t start() const { return static_cast<std::uint64_t>(start_); }  // where in the file it begins
  // Some bytes from offset `at` on (the first byte is 0): all that fit into one piece, empty at the end. A
  // short message is one piece, read once. Valid until the next call. Throws MessageReadError;
  // errno is EIO when the file has become shorter than it was.
  std::string_view piece(off_t at);

  // Is `line` (its LF included) one of the lines before the first empty line? Case counts.
  bool header_has_line(std::string_view line);

 private:
  static constexpr std::size_t small_piece = 64U << 10;   // most messages
  static constexpr std::size_t large_piece = 256U << 10;  // for a copy with few calls

  int fd_;
  off_t start_;
  off_t size_;
  std::unique_ptr<char[]> space_;
  std::size_t capacity_ = 0;
  off_t held_at_ = 0;
  std::size_t held_ = 0;
};

}  // namespace hato

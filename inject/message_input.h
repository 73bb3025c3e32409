// A message as a program writes it to the standard input: its header as a whole, its body in pieces.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "inject/line_ends.h"

namespace hato {

// A header may have this many bytes; longer is refused (exit 100). An address list of 200 000 recipients
// fits.
inline constexpr std::size_t inject_header_limit = 16U << 20;
// So much of a message is waited for before the gate is asked for admission: a slow writer (cron) holds no
// place.
inline constexpr std::size_t inject_read_ahead = 256U << 10;

// Where the header ends (pure; `text` has LF line ends).
class HeaderEnd {
 public:
  // Looks at the complete lines of text from where it stands; true when the header's end is found. `ended`:
  // there is no more to come.
  bool find(std::string_view text, bool ended);
  std::size_t offset() const { return at_; }  // of the first byte that is not header
  // The line there is no empty one: an empty line must be put between header and body.
  bool separator_missing() const { return separator_missing_; }

 private:
  std::size_t at_ = 0;
  bool separator_missing_ = false;
};

class MessageInput {
 public:
  // prefix: text that comes before what fd has.
  explicit MessageInput(int fd, std::string prefix = "") : fd_(fd), text_(std::move(prefix)) {}

  // Reads the header: fields with LF line ends. A line "From …" of an mbox becomes a field MBOX-Line, as
  // qmail has it. Throws PermError over inject_header_limit, SystemError when it cannot be read.
  std::string read_header();
  // Waits for inject_read_ahead bytes of body or the end.
  void read_ahead();
  // The next piece of the body, first the empty line before it; empty: the end. Valid until the next call.
  std::string_view next_piece();

 private:
  bool read_more();  // false: the end

  int fd_;
  bool ended_ = false;
  LineEnds line_ends_;
  std::string text_;    // read and not handed out
  std::string handed_;  // what next_piece() returned last
  std::unique_ptr<char[]> space_;
};

}  // namespace hato

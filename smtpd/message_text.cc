#include "smtpd/message_text.h"

#include <string.h>

namespace hato::smtpd {

namespace {

std::size_t find_from(std::string_view text, char c, std::size_t from) {
  const void* found = from < text.size() ? memchr(text.data() + from, c, text.size() - from) : nullptr;
  return found == nullptr ? text.size()
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

// The next CR or LF at or after a position that only grows: each byte is looked at once for each of the two.
class LineEnds {
 public:
  explicit LineEnds(std::string_view text) : text_(text) {}
  std::size_t next(std::size_t from) {
    if (!known_ || lf_ < from) lf_ = find_from(text_, '\n', from);
    // Mostly the CR is the byte before the LF; only what lies before it must be searched.
    if (!known_ || cr_ < from) cr_ = find_from(text_.substr(0, lf_), '\r', from);
    known_ = true;
    return cr_ < lf_ ? cr_ : lf_;
  }

 private:
  std::string_view text_;
  bool known_ = false;
  std::size_t lf_ = 0;
  std::size_t cr_ = 0;
};

}  // namespace

std::size_t DataDecoder::feed(std::string_view octets, std::string& text) {
  LineEnds ends(octets);
  std::size_t i = 0;
  if (!octets.empty()) waiting_ = false;
  while (i < octets.size() && state_ != State::done) {
    const char c = octets[i];
    switch (state_) {
      case State::line_start:
        if (c == '.') ++i;
        state_ = c == '.' ? State::dot : State::text;
        break;
      case State::dot:
        if (c == '\r') {
          state_ = State::dot_cr;
          ++i;
        } else if (c == '\n') {  // CR LF . LF
          stray_ = waiting_ = true;
          state_ = State::odd_start;
          ++i;
        } else {
          state_ = State::text;
        }
        break;
      case State::dot_cr:
        if (c == '\n') {
          state_ = State::done;
          ++i;
        } else {  // CR LF . CR and something else
          stray_ = waiting_ = true;
          state_ = State::odd_start;
        }
        break;
      case State::text: {
        const std::size_t end = ends.next(i);
        text.append(octets, i, end - i);
        if (end > i) waiting_ = false;
        i = end;
        if (i == octets.size()) break;
        if (octets[i] == '\r') {
          state_ = State::cr;
        } else {
          stray_ = true;
          state_ = State::odd_start;
        }
        ++i;
        break;
      }
      case State::cr:
        if (c == '\n') {
          text += '\n';
          state_ = State::line_start;
          ++i;
        } else {
          stray_ = true;
          state_ = State::odd_start;
        }
        break;
      case State::odd_start:
        if (c == '.') ++i;
        state_ = c == '.' ? State::odd_dot : State::text;
        break;
      case State::odd_dot:
        if (c == '\r') {  // LF . CR, perhaps with an LF to come
          waiting_ = true;
          state_ = State::odd_dot_cr;
          ++i;
        } else if (c == '\n') {  // LF . LF
          waiting_ = true;
          state_ = State::odd_start;
          ++i;
        } else {
          state_ = State::text;
        }
        break;
      case State::odd_dot_cr:  // LF . CR LF ends a line by the book, but not the data
        waiting_ = true;
        state_ = c == '\n' ? State::line_start : State::odd_start;
        if (c == '\n') ++i;
        break;
      case State::done:
        break;
    }
  }
  if (state_ == State::done) waiting_ = false;
  return i;
}

void ChunkDecoder::feed(std::string_view octets, std::string& text) {
  LineEnds ends(octets);
  std::size_t i = 0;
  while (i < octets.size()) {
    if (cr_) {
      cr_ = false;
      if (octets[i] == '\n') {
        text += '\n';
        ++i;
        continue;
      }
      stray_ = true;
    }
    const std::size_t end = ends.next(i);
    text.append(octets, i, end - i);
    i = end;
    if (i == octets.size()) return;
    if (octets[i] == '\r')
      cr_ = true;
    else
      stray_ = true;
    ++i;
  }
}

void ChunkDecoder::finish() {
  if (cr_) stray_ = true;
  cr_ = false;
}

}  // namespace hato::smtpd

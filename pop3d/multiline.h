// A multi-line POP3 response made from a message file (RFC 1939 section 3): every line ends in CRLF, a line
// that begins with a dot gets another, a dot alone ends it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace hato {

// Feed the file in pieces of any size. LF and CRLF in the file are both one line end, a CR elsewhere is a
// byte like any other; a last line without an end gets one. Every other byte goes out as it is.
class MultilineEncoder {
 public:
  static constexpr std::uint64_t whole_message = std::numeric_limits<std::uint64_t>::max();

  // body_lines: TOP's number; the header, the empty line and so many lines of the body are sent.
  explicit MultilineEncoder(std::uint64_t body_lines = whole_message) : body_lines_(body_lines) {}

  // Appends to `out`. False: TOP's lines are complete, the rest of the file need not be read.
  bool feed(std::string_view piece, std::string& out);
  // The end of the file, or of TOP's lines: appends what ends the response.
  void finish(std::string& out);

 private:
  bool end_line(std::string& out);

  std::uint64_t body_lines_;  // still to be sent
  bool in_header_ = true;
  bool line_start_ = true;  // nothing of the current line has gone out
  bool held_cr_ = false;    // the last byte was a CR: part of a line end or not, the next byte tells
};

}  // namespace hato

// One POP3 command line (RFC 1939 section 3, RFC 2449 section 4), without its line end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hato {

// Bytes of a command line before its CRLF. RFC 2449 allows 255 octets in all; the checkpassword interface
// carries 512 for login, password and timestamp together.
constexpr std::size_t pop3_line_limit = 512;

enum class Verb {
  user,
  pass,
  apop,
  quit,
  noop,
  capa,
  stat,
  list,
  uidl,
  dele,
  retr,
  rset,
  last,
  top,
  unknown
};

struct Pop3Command {
  Verb verb;
  // After the blanks behind the verb, blanks at the end kept; for PASS after exactly one blank, because a
  // password may begin with one. Points into the line.
  std::string_view argument;
};

// One CR at the end is ignored, case of the verb too. Anything that is no command is Verb::unknown, and so is
// a line that holds a NUL.
Pop3Command parse_pop3_command(std::string_view line);

// Takes a decimal number off the front of `text`, and the blanks behind it. A number beyond 2^64 - 1 is that.
// nullopt, `text` unchanged: there is no digit.
std::optional<std::uint64_t> take_number(std::string_view& text);

}  // namespace hato

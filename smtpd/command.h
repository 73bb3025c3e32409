// SMTP command lines (RFC 5321 4.1.1, RFC 3030 BDAT), taken apart. Pure: text in, values out.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/mail/address.h"

namespace hato::smtpd {

enum class Verb { helo, ehlo, mail, rcpt, data, bdat, rset, noop, vrfy, help, quit, unknown };

struct Command {
  Verb verb = Verb::unknown;
  std::string_view name;      // as the client wrote it
  std::string_view argument;  // after the verb and its blanks, without blanks at the end
};

// `line` is one command line without its CR LF. Verbs in any case (RFC 5321 2.4).
Command parse_command(std::string_view line);

// A byte that no command may have: NUL and every other control character but the tab; qmail cut a line at its
// NUL.
bool has_control_byte(std::string_view line);

// What MAIL may say behind its path. Keywords: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531).
enum class MailError {
  none,
  unsupported,  // a keyword that EHLO does not offer: 555 (RFC 5321 4.1.1.11)
  bad_value,    // one of ours with a value it cannot have, or twice: 501
};
struct MailParameters {
  MailError error = MailError::none;
  std::optional<std::uint64_t> size;  // octets; more than 2^64-1 count as 2^64-1
  bool eight_bit = false;             // BODY=8BITMIME
  bool smtputf8 = false;
};
MailParameters parse_mail_parameters(const std::vector<Parameter>& parameters);

// BDAT SIZE [LAST] (RFC 3030 section 2). nullopt: no such thing; the position of the next command is then
// unknown.
struct Chunk {
  std::uint64_t size = 0;  // octets that follow the command line
  bool last = false;
};
std::optional<Chunk> parse_chunk(std::string_view argument);

}  // namespace hato::smtpd

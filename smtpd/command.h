// SMTP command lines (RFC 5321 4.1.1, RFC 3030 BDAT), taken apart. Pure: text in, values out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/address.h"
#include "lib/mail/dsn.h"

namespace hato::smtpd {

enum class Verb { helo, ehlo, mail, rcpt, data, bdat, rset, noop, vrfy, help, etrn, quit, unknown };

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

// What MAIL and RCPT may say behind their paths. Keywords: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC
// 6531), RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT (RFC 3461).
enum class ParameterError {
  none,
  unsupported,  // a keyword that EHLO does not offer: 555 (RFC 5321 4.1.1.11)
  bad_value,    // one of ours with a value it cannot have, or twice: 501
};
struct MailParameters {
  ParameterError error = ParameterError::none;
  std::optional<std::uint64_t> size;  // octets; more than 2^64-1 count as 2^64-1
  bool eight_bit = false;             // BODY=8BITMIME
  bool smtputf8 = false;
  MessageDsn dsn;
  // As the queue keeps them: "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x".
  std::string words() const;
};
MailParameters parse_mail_parameters(const std::vector<Parameter>& parameters);

struct RcptParameters {
  ParameterError error = ParameterError::none;
  RecipientDsn dsn;
};
// smtputf8: MAIL said so; without it an ORCPT must be ASCII (RFC 6533 3).
RcptParameters parse_rcpt_parameters(const std::vector<Parameter>& parameters, bool smtputf8);

// BDAT SIZE [LAST] (RFC 3030 section 2). nullopt: no such thing; the position of the next command is then
// unknown.
struct Chunk {
  std::uint64_t size = 0;  // octets that follow the command line
  bool last = false;
};
std::optional<Chunk> parse_chunk(std::string_view argument);

}  // namespace hato::smtpd

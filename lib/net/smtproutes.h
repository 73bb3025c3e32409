// control/smtproutes: where mail for a domain goes instead of to its mail exchangers. qmail-remote(8). Pure.
//
//   domain:relay          domain:relay:port       domain:[2001:db8::1]:port
//   .domain:relay         every name below domain (not domain itself)
//   :relay                everything else
//   domain:               mail exchangers as usual; "domain::port" the same on another port
//
// The longest domain that fits wins; of equal ones the last. Domains are compared without regard to case, in
// U- or A-label form. Words behind a blank say how to speak to the relay:
//   qmtp                  by QMTP (cr.yp.to/proto/qmtp.txt), on port 209 unless another is given
//   starttls, verify …    TLS and logins: lib/net/tls_words.h
// A route with a word that is not known must not be used as if the word were not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/net/tls_words.h"

namespace hato {

constexpr std::uint16_t smtp_port = 25;
constexpr std::uint16_t qmtp_port = 209;
constexpr std::uint16_t smtps_port = 465;  // what the word "tls" means where no port is given

struct SmtpRoute {
  std::string relay;  // a name or an address without brackets; empty: mail exchangers as usual
  std::uint16_t port = smtp_port;
  bool qmtp = false;               // by QMTP, not by SMTP
  std::vector<std::string> words;  // all of them
  TlsWords tls;
  std::string problem;  // not empty: why this line cannot be used

  friend bool operator==(const SmtpRoute&, const SmtpRoute&) = default;
};

// What stands behind "domain:" of a line.
SmtpRoute parse_smtp_route(std::string_view text);

// The route for host among the lines of the file; nullopt: none.
std::optional<SmtpRoute> find_smtp_route(const std::vector<std::string>& lines, std::string_view host);

}  // namespace hato

// What a mail program wants to know of an X.509 certificate (RFC 5280): whom it is for, by whom, which key.
// Pure: DER in, views out. Signatures and dates are certificate_chain.h's.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "lib/base/ip.h"

namespace hato {

constexpr std::size_t max_certificate_names = 1000;  // of one certificate; more are not looked at

// The views lie in what was parsed.
struct Certificate {
  std::string_view subject;     // the whole DER element (Name)
  std::string_view issuer;      // likewise
  std::string_view public_key;  // the whole SubjectPublicKeyInfo: what selector 1 of DANE digests (RFC 6698)
  std::vector<std::string_view> dns_names;  // subjectAltName, as they stand; a wildcard is "*.example.org"
  std::vector<IpAddress> addresses;         // subjectAltName

  bool self_issued() const { return subject == issuer; }

  // nullopt: not a certificate, or lengths that lie.
  static std::optional<Certificate> parse(std::string_view der);
};

// Does the certificate say it is for this host? RFC 6125 sections 6.4 and 6.5: a subjectAltName that is the
// name, without regard to case, or the same with "*" for its whole first label, at least two labels behind
// it. The common name is not looked at (RFC 9525 section 2). host: A-labels, an IP address without brackets.
bool is_for_host(const Certificate& certificate, std::string_view host);

// One dNSName against one host name.
bool matches_host(std::string_view dns_name, std::string_view host);

}  // namespace hato

// Is a TLS server who it should be? The verdict on the certificates that it showed, for policy and for the
// log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/net/certificate_chain.h"
#include "lib/net/tlsa.h"
#include "lib/net/trust_store.h"

namespace hato {

struct ServerVerdict {
  bool verified = false;
  std::string text;  // a clause: "verified for mx.example", "not verified: it is self-signed"
};

// names: the certificate may be for any of them (A-labels; addresses without brackets). now: seconds since
// 1970. Throws SystemError when the authorities' file cannot be read.
ServerVerdict judge_server(const CertificateChain& chain, const TrustStore& trust,
                           const std::vector<std::string>& names, std::int64_t now);

// The same by a domain's TLSA records (tlsa_that_count(); not empty) instead of authorities. One of usage
// DANE-EE that matches the server's own certificate is enough, whatever names and dates that has (RFC 7672
// section 3.1.1); one of usage DANE-TA stands for an authority, of whose certificates only those for one of
// the names are good. names[0] is the one that the records were found for.
ServerVerdict judge_server_by_tlsa(const CertificateChain& chain, const std::vector<TlsaRecord>& records,
                                   const std::vector<std::string>& names, std::int64_t now);

// The names to ask for. wanted: of the word "verify=" (lib/net/tls_words.h), or empty. domain: what mail is
// for, or the relay. host: the mail exchanger or relay that we are connected to, a name, or an address in
// brackets or without.
//
// A host's name that only the DNS told proves nothing, so it counts when it lies below the domain, or below a
// wanted ".name"; otherwise the domain itself or the wanted name has to be in the certificate (RFC 6125
// section 6.2.1).
std::vector<std::string> names_to_ask_for(const std::vector<std::string>& wanted, std::string_view domain,
                                          std::string_view host);

}  // namespace hato

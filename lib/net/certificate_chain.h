// Is a chain of certificates, as a TLS server showed it, signed by somebody we trust? On BearSSL's engine,
// after the handshake, so that the same chain can be judged by any policy: authorities of the system, a TLSA
// record's (RFC 7672), none at all.
//
// Checked: signatures (RSA of 1024 bits and more, ECDSA P-256, P-384 and P-521; SHA-2 only), dates, that
// issuers may issue, path lengths. Not checked: names (certificate.h), revocation, name constraints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hato {

using CertificateDer = std::string;
// The server's own certificate first; the others in any order, and some may be beside the point.
using CertificateChain = std::vector<CertificateDer>;

// Why the chain does not lead to one of the anchors, as a clause: "it is self-signed". Empty: it does.
// anchors: certificates that are trusted (their own signatures and dates are not looked at), to issue where
// they may, or as the server's own. now: seconds since 1970. Never throws but for want of memory.
std::string chain_problem(const CertificateChain& chain, const std::vector<CertificateDer>& anchors,
                          std::int64_t now);

}  // namespace hato

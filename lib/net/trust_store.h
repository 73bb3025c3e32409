// The certificates of authorities that this host trusts: a PEM file, the system's or the operator's.
//
// The system's bundle holds some 140, and to read the keys of all of them takes 50 ms. So the file is opened
// before sealing, looked through only when there is a chain to check, and only those certificates are taken
// that could have issued one of the chain: less than a millisecond.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"
#include "lib/net/certificate_chain.h"

namespace hato {

constexpr std::size_t max_trust_file = 8U << 20;  // bytes; a larger one is not read

class TrustStore {
 public:
  TrustStore() = default;  // nobody is trusted
  // Opens the first of the files that exists; with none of them nothing can be verified. Throws SystemError
  // for one that is there and cannot be opened.
  explicit TrustStore(const std::vector<std::string>& paths);
  // The bundle of Debian's ca-certificates, which other systems have at the same place.
  static constexpr const char* system_bundle = "/etc/ssl/certs/ca-certificates.crt";

  bool present() const { return static_cast<bool>(file_); }
  // Those whose subject is the issuer of one of the chain. Throws SystemError when the file cannot be read.
  std::vector<CertificateDer> issuers_of(const CertificateChain& chain) const;

 private:
  Fd file_;
};

// The same on the text of a PEM file (RFC 7468). What is not a certificate is passed over. Pure.
std::vector<CertificateDer> issuers_in_pem(std::string_view pem, const CertificateChain& chain);

}  // namespace hato

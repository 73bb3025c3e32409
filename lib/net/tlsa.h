// TLSA records (RFC 6698): by which a domain says in the DNS how to know its TLS servers, as SMTP uses them
// (RFC 7671, 7672). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/net/certificate_chain.h"

namespace hato {

constexpr std::size_t max_tlsa_records = 100;  // of one server; more are not looked at

struct TlsaRecord {
  enum Usage : std::uint8_t {
    dane_ta = 2,  // the certificate of an authority that issued the server's
    dane_ee = 3,  // the server's own certificate
  };
  enum Selector : std::uint8_t { certificate = 0, public_key = 1 };
  enum Matching : std::uint8_t { full = 0, sha256 = 1, sha512 = 2 };

  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;

  // The data of a record; nullopt: too short to be one.
  static std::optional<TlsaRecord> parse(std::string_view rdata);

  // Can it tell anything about an SMTP server? Only with the usages above (RFC 7672 section 3.1.3), a
  // selector and a matching type that are known, a digest of the right length, and where it holds a
  // certificate, one.
  bool usable() const;
  // Is this what the record speaks of? Whatever the usage. False for what is not usable.
  bool matches(const CertificateDer& der) const;
  // "3 1 1"
  std::string type_text() const;

  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

// The records that count: the usable ones, and of those that differ only in the digest the ones with the
// strongest (RFC 7671 section 9): SHA-512 before SHA-256; what is not digested always.
std::vector<TlsaRecord> tlsa_that_count(const std::vector<std::string>& rdata);

// Where they are: "_25._tcp.mx.example" (RFC 7672 section 2.2.3).
std::string tlsa_name(std::string_view base_domain, std::uint16_t port);

}  // namespace hato

#include "lib/net/tlsa.h"

#include <bearssl.h>

#include <algorithm>
#include <array>

#include "lib/base/sha256.h"
#include "lib/net/certificate.h"

namespace hato {

namespace {

// What a record with this matching type would hold of the data.
std::string matched(std::string_view data, std::uint8_t matching) {
  if (matching == TlsaRecord::sha256) return sha256(data);
  if (matching == TlsaRecord::sha512) {
    br_sha512_context context;
    std::array<char, br_sha512_SIZE> digest;
    br_sha512_init(&context);
    br_sha512_update(&context, data.data(), data.size());
    br_sha512_out(&context, digest.data());
    return {digest.data(), digest.size()};
  }
  return std::string(data);
}

}  // namespace

std::optional<TlsaRecord> TlsaRecord::parse(std::string_view rdata) {
  if (rdata.size() < 4) return std::nullopt;
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(rdata[i]); };
  return TlsaRecord{octet(0), octet(1), octet(2), std::string(rdata.substr(3))};
}

bool TlsaRecord::usable() const {
  if (usage != dane_ta && usage != dane_ee) return false;
  if (selector != certificate && selector != public_key) return false;
  switch (matching) {
    case full:
      return selector == public_key ? !data.empty() : Certificate::parse(data).has_value();
    case sha256:
      return data.size() == br_sha256_SIZE;
    case sha512:
      return data.size() == br_sha512_SIZE;
    default:
      return false;
  }
}

bool TlsaRecord::matches(const CertificateDer& der) const {
  if (!usable()) return false;
  if (selector == certificate) return matched(der, matching) == data;
  const std::optional<Certificate> parsed = Certificate::parse(der);
  return parsed && matched(parsed->public_key, matching) == data;
}

std::string TlsaRecord::type_text() const {
  return std::to_string(usage) + " " + std::to_string(selector) + " " + std::to_string(matching);
}

std::vector<TlsaRecord> tlsa_that_count(const std::vector<std::string>& rdata) {
  std::vector<TlsaRecord> usable;
  for (std::size_t i = 0; i < rdata.size() && i < max_tlsa_records; ++i)
    if (std::optional<TlsaRecord> record = TlsaRecord::parse(rdata[i]); record && record->usable())
      usable.push_back(std::move(*record));
  std::vector<TlsaRecord> counting;
  for (const TlsaRecord& record : usable) {
    const bool outdone = record.matching == TlsaRecord::sha256 &&
                         std::any_of(usable.begin(), usable.end(), [&](const TlsaRecord& other) {
                           return other.matching == TlsaRecord::sha512 && other.usage == record.usage &&
                                  other.selector == record.selector;
                         });
    if (!outdone) counting.push_back(record);
  }
  return counting;
}

std::string tlsa_name(std::string_view base_domain, std::uint16_t port) {
  return "_" + std::to_string(port) + "._tcp." + std::string(base_domain);
}

}  // namespace hato

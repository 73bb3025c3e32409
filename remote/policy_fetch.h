// Fetching one MTA-STS policy (RFC 8461 sections 3.1 and 3.3): the TXT record, then the file by HTTPS.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/net/dns.h"
#include "lib/net/trust_store.h"

namespace hato {

constexpr std::int64_t sts_fetch_seconds = 60;  // look-ups and transfer together; section 3.3
constexpr std::uint16_t https_port = 443;
constexpr std::size_t max_https_addresses = 4;      // tried, of those that the name has
constexpr std::int64_t https_connect_seconds = 10;  // each

// domain: A-labels. known_id: of the policy that is in the cache, or empty; when the record still says this
// id and `again` is false, nothing is fetched.
struct PolicyQuestion {
  std::string domain;
  std::string known_id;
  bool again = false;

  std::string packet() const;
  static std::optional<PolicyQuestion> parse(std::string_view packet);
};

struct PolicyFinding {
  enum class What {
    absent,     // there is no sound record: the domain has no policy
    unchanged,  // the record has the known id
    fetched,    // id and text are there, and text parses
    failed,     // problem says why
  };
  What what = What::failed;
  std::string id;
  std::string text;
  std::string problem;  // a clause

  std::string packet() const;
  // What stands in it is checked again. nullopt: not a whole one.
  static std::optional<PolicyFinding> parse(std::string_view packet);
};
constexpr std::size_t max_finding = (64U << 10) + 1024;

// No redirects are followed, the certificate must lead to an authority of ours and be for mta-sts.DOMAIN, the
// answer must be 200 and text/plain. Works sealed. Never throws for what the network does.
PolicyFinding fetch_policy(const PolicyQuestion& question, const Resolver& resolver, const TrustStore& trust,
                           Deadline deadline);

}  // namespace hato

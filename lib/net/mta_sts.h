// MTA-STS (RFC 8461): the two texts with which a domain says that mail for it has to be encrypted. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

constexpr std::size_t max_sts_policy = 64U << 10;  // octets of a policy (section 3.3)
constexpr std::size_t max_sts_patterns = 1000;     // "mx" lines of a policy
constexpr std::int64_t max_sts_age = 31557600;     // seconds, a year (section 3.2); more counts as this

enum class StsMode {
  none,     // nothing is asked of the sender
  testing,  // as enforce, but mail goes all the same, and the log says what would have been
  enforce,  // only to exchangers that fit the patterns and prove who they are
};
std::string_view sts_mode_name(StsMode mode);
std::optional<StsMode> sts_mode(std::string_view name);

struct StsPolicy {
  StsMode mode = StsMode::none;
  std::int64_t max_age = 0;     // seconds from the fetch
  std::vector<std::string> mx;  // A-labels in lower case, the first one perhaps "*"; empty only with none

  // Does a mail exchanger's name fit one of the patterns (section 4.1)? "*" stands for exactly one label. The
  // name may end in a dot.
  bool allows(std::string_view host) const;

  friend bool operator==(const StsPolicy&, const StsPolicy&) = default;
};

// The policy's id out of all TXT records of _mta-sts.DOMAIN (section 3.1), each with its strings joined.
// nullopt: the domain has no policy: not exactly one record begins with "v=STSv1;", or that one is no sound
// list of fields with an id of 1 to 32 letters and digits.
std::optional<std::string> sts_policy_id(const std::vector<std::string>& records);

// The text behind https://mta-sts.DOMAIN/.well-known/mta-sts.txt (section 3.2). Unknown fields are passed
// over; of a field that comes again only the first counts (mx: all). nullopt: a line that is no field, no
// version STSv1, no known mode, no max_age, no mx where the mode needs one or one that is no host's name; or
// larger than the limits. Lines with nothing on them, which the RFC does not have, are passed over.
std::optional<StsPolicy> parse_sts_policy(std::string_view text);

}  // namespace hato

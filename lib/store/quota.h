// How much mail a mailbox may hold and how much it holds, man qmail-quota(5). Numbers are bytes of files, as
// they are stored, and files. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

// Above this nothing is counted: sums and limits stay there. It fits the signed numbers of other programs.
constexpr std::uint64_t quota_most = (1ULL << 63) - 1;

struct QuotaUse {
  std::uint64_t bytes = 0, messages = 0;
  bool operator==(const QuotaUse&) const = default;
};
// The sum; what is above quota_most stays there.
QuotaUse operator+(const QuotaUse& a, const QuotaUse& b);

struct Quota {
  std::uint64_t bytes = 0, messages = 0;  // 0: no limit
  bool operator==(const Quota&) const = default;

  // Of numbers that may be larger than what is counted (an account's).
  static Quota of(std::uint64_t bytes, std::uint64_t messages);
  bool limited() const { return bytes != 0 || messages != 0; }
  // May `use` be there? A mailbox that is full to the last byte is within its quota.
  bool allows(const QuotaUse& use) const;
  // Does `use` reach so many hundredths of one of the limits?
  bool reached(const QuotaUse& use, unsigned percent) const;
};

// Maildir++'s way to write a quota, "10000000S,100C": bytes and messages, either may be missing, in any
// order, digits only; "" and "0S" are no limit. nullopt: anything else, a kind given twice included.
std::optional<Quota> parse_quota(std::string_view text);
// Both limits, or the one that there is; "0S" when there is none.
std::string quota_text(const Quota& quota);

// Octets that a message which SIZE= (RFC 1870) says has `size` octets takes at least when it is stored: every
// line end is two octets there, and one here. 0, that nothing is known: one, so that a mailbox that is full to
// the last byte has no room.
constexpr std::uint64_t least_stored_size(std::uint64_t size) {
  return size == 0 ? 1 : size - size / 2;
}

}  // namespace hato

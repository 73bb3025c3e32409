#include "lib/store/quota.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace hato {

namespace {

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return std::min(a, quota_most) > quota_most - std::min(b, quota_most) ? quota_most : a + b;
}

// use / limit >= percent / 100, without a product that overflows.
bool reaches(std::uint64_t use, std::uint64_t limit, unsigned percent) {
  return limit != 0 &&
         static_cast<unsigned __int128>(use) * 100 >= static_cast<unsigned __int128>(limit) * percent;
}

}  // namespace

QuotaUse operator+(const QuotaUse& a, const QuotaUse& b) {
  return {sum(a.bytes, b.bytes), sum(a.messages, b.messages)};
}

Quota Quota::of(std::uint64_t bytes, std::uint64_t messages) {
  return {std::min(bytes, quota_most), std::min(messages, quota_most)};
}

bool Quota::allows(const QuotaUse& use) const {
  return (bytes == 0 || use.bytes <= bytes) && (messages == 0 || use.messages <= messages);
}

bool Quota::reached(const QuotaUse& use, unsigned percent) const {
  return reaches(use.bytes, bytes, percent) || reaches(use.messages, messages, percent);
}

std::optional<Quota> parse_quota(std::string_view text) {
  Quota quota;
  bool given[2] = {};
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    if (part.size() == text.size() - 1) return std::nullopt;  // a comma and nothing behind it
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (part.size() < 2 || part.front() < '0' || part.front() > '9') return std::nullopt;
    const bool counts_messages = part.back() == 'C';
    if (!counts_messages && part.back() != 'S') return std::nullopt;
    if (std::exchange(given[counts_messages], true)) return std::nullopt;
    std::uint64_t number = 0;
    const char* const end = part.data() + part.size() - 1;
    const auto [stop, error] = std::from_chars(part.data(), end, number);
    if (stop != end || (error != std::errc() && error != std::errc::result_out_of_range)) return std::nullopt;
    if (error == std::errc::result_out_of_range) number = quota_most;
    (counts_messages ? quota.messages : quota.bytes) = std::min(number, quota_most);
  }
  return quota;
}

std::string quota_text(const Quota& quota) {
  std::string text;
  if (quota.bytes != 0 || quota.messages == 0) text = std::to_string(quota.bytes) + "S";
  if (quota.messages == 0) return text;
  if (!text.empty()) text += ',';
  return text + std::to_string(quota.messages) + "C";
}

}  // namespace hato

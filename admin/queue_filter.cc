#include "admin/queue_filter.h"

#include <algorithm>
#include <charconv>

#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/net/send_request.h"

namespace hato {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// A number and perhaps a unit behind it.
std::optional<std::uint64_t> with_unit(std::string_view text, std::string_view units,
                                       const std::uint64_t* factors) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  std::uint64_t factor = 1;
  if (!unit.empty()) {
    const std::size_t at = unit.size() == 1 ? units.find(unit[0]) : std::string_view::npos;
    if (at == std::string_view::npos) return std::nullopt;
    factor = factors[at];
  }
  if (value > (UINT64_MAX >> 1) / factor) return std::nullopt;
  return value * factor;
}

template <typename Range, typename Test>
bool none_or_any(const Range& range, Test test) {
  return range.empty() || std::any_of(range.begin(), range.end(), test);
}

[[noreturn]] void refuse(std::string_view option, std::string_view value, const char* form) {
  throw PermError("--" + std::string(option) + " " + std::string(value) + ": write " + form);
}

}  // namespace

bool pattern_matches(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool address_matches(std::string_view address, std::string_view wanted) {
  if (wanted.empty() || wanted == "<>") return address.empty();
  if (wanted.find_first_of("*?") != std::string_view::npos) return pattern_matches(address, wanted);
  if (wanted[0] == '@') {
    const std::optional<std::string> domain = flush_domain(wanted.substr(1));
    return domain && address_in_domain(address, *domain);
  }
  return equal_ignoring_case(address, wanted);
}

std::optional<std::int64_t> parse_age(std::string_view text) {
  constexpr std::uint64_t factors[] = {1, 60, 3600, 86400, 604800};
  const std::optional<std::uint64_t> seconds = with_unit(text, "smhdw", factors);
  if (!seconds || *seconds > INT32_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*seconds);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::uint64_t factors[] = {1000, 1000, 1000000, 1000000000};
  return with_unit(text, "kKMG", factors);
}

bool QueueFilter::set(std::string_view option, std::string_view value, std::int64_t now,
                      std::int64_t (*uid_of)(const std::string& user)) {
  const std::string text(value);
  if (option == "older" || option == "newer") {
    const std::optional<std::int64_t> age = parse_age(value);
    if (!age) refuse(option, value, "a time such as 90, 15m, 2h or 7d");
    const auto moment = static_cast<std::uint64_t>(std::max<std::int64_t>(now - *age, 0)) * 1000000;
    (option == "older" ? born_until_ : born_from_) = moment;
    by_name_ = true;
  } else if (option == "state") {
    if (text == "new")
      new_ = by_name_ = true;
    else if (text == "deferred")
      deferred_ = by_name_ = true;
    else if (text == "held")
      held_ = by_name_ = true;
    else if (text == "bouncing")
      bouncing_ = true;
    else
      refuse(option, value, "new, deferred, held or bouncing");
  } else if (option == "sender") {
    senders_.push_back(text);
    by_header_ = true;
  } else if (option == "recipient") {
    recipients_.push_back(text);
    by_header_ = true;
  } else if (option == "domain") {
    if (!flush_domain(value))
      refuse(option, value, "a domain such as example.org, or .example.org for all below it, too");
    recipients_.push_back("@" + text);
    by_header_ = true;
  } else if (option == "uid") {
    std::uint32_t uid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (error != std::errc() || end != text.data() + text.size()) {
      const std::int64_t found = uid_of(text);
      if (found < 0) refuse(option, value, "a number or the name of a user");
      uid = static_cast<std::uint32_t>(found);
    }
    uids_.push_back(uid);
    by_header_ = true;
  } else if (option == "kind") {
    const std::optional<Kind> kind = parse_kind(value);
    if (!kind) refuse(option, value, "local, forward, submission, mx or bounce");
    kinds_.push_back(*kind);
    by_header_ = true;
  } else if (option == "larger") {
    const std::optional<std::uint64_t> size = parse_size(value);
    if (!size) refuse(option, value, "a size such as 1000, 20k or 5M");
    larger_ = *size;
    by_header_ = true;
  } else if (option == "script" || option == "login" || option == "ip") {
    origins_.emplace_back(option, text);
    by_header_ = true;
  } else {
    return false;
  }
  return true;
}

void QueueFilter::finish() {
  std::sort(ids_.begin(), ids_.end());
  ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  by_ids_ = !ids_.empty();
  by_name_ = by_name_ || by_ids_;
}

bool QueueFilter::fits_name(const ListedMessage& listed) const {
  if (by_ids_ && !std::binary_search(ids_.begin(), ids_.end(), listed.id)) return false;
  if (listed.id.value() < born_from_ || listed.id.value() > born_until_) return false;
  if (!new_ && !deferred_ && !held_) return true;
  return (new_ && listed.fresh) || (deferred_ && !listed.fresh && !listed.held) || (held_ && listed.held);
}

bool QueueFilter::fits_recipient(std::string_view address) const {
  return none_or_any(recipients_,
                     [&](const std::string& wanted) { return address_matches(address, wanted); });
}

bool QueueFilter::fits_file(const QueueHeader& header, const QueuedEnvelope& envelope) const {
  if (!by_header_) return true;
  if (header.message_bytes() <= larger_ && larger_ != 0) return false;
  if (!none_or_any(uids_, [&](std::uint32_t uid) { return uid == header.uid; })) return false;
  if (!none_or_any(kinds_, [&](Kind kind) { return kind == header.kind; })) return false;
  if (!none_or_any(senders_,
                   [&](const std::string& wanted) { return address_matches(envelope.sender, wanted); }))
    return false;
  for (const char* field : {"script", "login", "ip"}) {
    bool asked = false, fits = false;
    for (const auto& [name, pattern] : origins_) {
      if (name != field) continue;
      asked = true;
      for (const auto& [known, value] : envelope.origin)
        if (known == name && pattern_matches(value, pattern)) fits = true;
    }
    if (asked && !fits) return false;
  }
  return recipients_.empty() ||
         std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                     [this](const Recipient& recipient) { return fits_recipient(recipient.address); });
}

}  // namespace hato

#include "lib/store/maildirsize.h"

#include <charconv>

namespace hato {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

// The number at the front of `text`, which loses it and the blanks around it.
std::optional<std::int64_t> take_signed(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  if (!text.empty() && !is_blank(text.front())) return std::nullopt;
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return number;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);  // the caller made sure that there is one
  return line;
}

}  // namespace

std::optional<Maildirsize> parse_maildirsize(std::string_view text) {
  if (text.size() > maildirsize_limit || !text.ends_with('\n')) return std::nullopt;
  std::string_view first = take_line(text);
  while (!first.empty() && is_blank(first.front())) first.remove_prefix(1);
  while (!first.empty() && is_blank(first.back())) first.remove_suffix(1);
  const std::optional<Quota> quota = parse_quota(first);
  if (!quota) return std::nullopt;
  std::int64_t bytes = 0, messages = 0;
  Maildirsize said{*quota, {}, 0};
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::optional<std::int64_t> more_bytes = take_signed(line);
    const std::optional<std::int64_t> more_messages = more_bytes ? take_signed(line) : std::nullopt;
    if (!more_messages || !line.empty()) return std::nullopt;
    if (__builtin_add_overflow(bytes, *more_bytes, &bytes) ||
        __builtin_add_overflow(messages, *more_messages, &messages))
      return std::nullopt;
    ++said.lines;
  }
  if (said.lines == 0 || bytes < 0 || messages < 0) return std::nullopt;
  said.use = {static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(messages)};
  return said;
}

std::string maildirsize_line(std::int64_t bytes, std::int64_t messages) {
  return std::to_string(bytes) + " " + std::to_string(messages) + "\n";
}

std::string maildirsize_text(const Quota& quota, const QuotaUse& use) {
  return quota_text(quota) + "\n" +
         maildirsize_line(static_cast<std::int64_t>(use.bytes), static_cast<std::int64_t>(use.messages));
}

bool believable(const Maildirsize& said, std::int64_t age, const Quota& quota, const QuotaUse& coming) {
  if (said.quota != quota) return false;
  if (quota.allows(said.use + coming)) return true;
  return said.lines == 1 && age >= 0 && age <= maildirsize_trusted_seconds;
}

}  // namespace hato

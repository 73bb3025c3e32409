#include "lib/net/mta_sts.h"

#include <algorithm>
#include <charconv>

#include "lib/mail/domain.h"

namespace hato {

namespace {

constexpr std::string_view version = "STSv1";
constexpr std::string_view record_start = "v=STSv1";
constexpr std::string_view blanks = " \t";
constexpr std::size_t max_field_name = 32;
constexpr std::size_t max_id = 32;
constexpr std::size_t max_age_digits = 10;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// sts-ext-name and sts-policy-ext-name
bool is_field_name(std::string_view name) {
  const auto fits = [](char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= max_field_name && is_alphanumeric(name[0]) &&
         std::all_of(name.begin(), name.end(), fits);
}

bool is_host_name(std::string_view name) {
  const auto fits = [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; };
  return std::all_of(name.begin(), name.end(), fits) && to_ascii_domain(name).has_value();
}

std::optional<std::string> mx_pattern(std::string_view value) {
  const bool wildcard = value.starts_with("*.");
  const std::string_view host = wildcard ? value.substr(2) : value;
  if (host.empty() || !is_host_name(host)) return std::nullopt;
  return (wildcard ? "*." : "") + *to_ascii_domain(host);
}

std::optional<std::int64_t> age(std::string_view digits) {
  std::int64_t seconds = 0;
  if (digits.empty() || digits.size() > max_age_digits) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (error != std::errc() || end != digits.data() + digits.size() || !is_digit(digits[0]))
    return std::nullopt;
  return std::min(seconds, max_sts_age);
}

std::optional<std::string> id_of_record(std::string_view fields) {
  std::optional<std::string> id;
  while (!fields.empty()) {
    const std::size_t end = fields.find(';');
    const std::string_view field = trimmed(fields.substr(0, end));
    fields.remove_prefix(end == fields.npos ? fields.size() : end + 1);
    if (field.empty() && fields.empty()) break;  // behind the last semicolon
    const std::size_t equals = field.find('=');
    if (equals == field.npos) return std::nullopt;
    const std::string_view name = field.substr(0, equals), value = field.substr(equals + 1);
    const auto printable = [](char c) { return c > 32 && c < 127 && c != '='; };
    if (!is_field_name(name) || value.empty() || !std::all_of(value.begin(), value.end(), printable))
      return std::nullopt;
    if (name != "id" || id) continue;
    if (value.size() > max_id || !std::all_of(value.begin(), value.end(), is_alphanumeric))
      return std::nullopt;
    id = value;
  }
  return id;
}

}  // namespace

std::string_view sts_mode_name(StsMode mode) {
  switch (mode) {
    case StsMode::enforce:
      return "enforce";
    case StsMode::testing:
      return "testing";
    case StsMode::none:
      break;
  }
  return "none";
}

std::optional<StsMode> sts_mode(std::string_view name) {
  for (const StsMode mode : {StsMode::none, StsMode::testing, StsMode::enforce})
    if (sts_mode_name(mode) == name) return mode;
  return std::nullopt;
}

bool StsPolicy::allows(std::string_view host) const {
  const std::optional<std::string> name = to_ascii_domain(host);
  if (!name) return false;
  const std::size_t dot = name->find('.');
  const std::string_view above = dot == name->npos ? std::string_view() : std::string_view(*name).substr(dot);
  return std::any_of(mx.begin(), mx.end(), [&](const std::string& pattern) {
    return pattern.starts_with('*') ? pattern.substr(1) == above : pattern == *name;
  });
}

std::optional<std::string> sts_policy_id(const std::vector<std::string>& records) {
  std::optional<std::string_view> fields;
  for (const std::string& record : records) {
    if (!record.starts_with(record_start)) continue;
    std::string_view rest = std::string_view(record).substr(record_start.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    if (!rest.starts_with(';')) continue;
    if (fields) return std::nullopt;
    fields = rest.substr(1);
  }
  return fields ? id_of_record(*fields) : std::nullopt;
}

std::optional<StsPolicy> parse_sts_policy(std::string_view text) {
  if (text.size() > max_sts_policy) return std::nullopt;
  StsPolicy policy;
  std::optional<std::string_view> version_seen, mode_seen, age_seen;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trimmed(line);
    if (line.empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == line.npos || !is_field_name(line.substr(0, colon))) return std::nullopt;
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    const auto control = [](char c) { return (static_cast<unsigned char>(c) < 32 && c != '\t') || c == 127; };
    if (std::any_of(value.begin(), value.end(), control)) return std::nullopt;
    const auto first = [&](std::optional<std::string_view>& seen) {
      if (!seen) seen = value;
    };
    if (name == "version") first(version_seen);
    if (name == "mode") first(mode_seen);
    if (name == "max_age") first(age_seen);
    if (name != "mx") continue;
    std::optional<std::string> pattern = mx_pattern(value);
    if (!pattern || policy.mx.size() == max_sts_patterns) return std::nullopt;
    policy.mx.push_back(std::move(*pattern));
  }
  if (version_seen != version || !mode_seen || !age_seen) return std::nullopt;
  const std::optional<StsMode> mode = sts_mode(*mode_seen);
  const std::optional<std::int64_t> max_age = age(*age_seen);
  if (!mode || !max_age || (*mode != StsMode::none && policy.mx.empty())) return std::nullopt;
  policy.mode = *mode;
  policy.max_age = *max_age;
  return policy;
}

}  // namespace hato

#include "qmail-send/host_limits.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "lib/base/error.h"
#include "lib/mail/domain_line.h"

namespace hato {

namespace {

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

HostLimits::HostLimits(const std::string& file, const std::vector<std::string>& lines, std::uint32_t most) {
  for (const std::string& line : lines) {
    const std::size_t colon = line.rfind(':');
    const std::string_view value = std::string_view(line).substr(colon == line.npos ? 0 : colon + 1);
    const std::optional<std::uint32_t> limit = number(value);
    if (!limit) throw TempError("control/" + file + ": \"" + line + "\" is no limit of a host");
    const std::string host = colon == line.npos ? "" : line.substr(0, colon);
    lines_.push_back(host + ":" + std::to_string(std::min(*limit, most)));
  }
}

std::uint32_t HostLimits::of(std::string_view host) const {
  if (lines_.empty()) return 0;
  const std::optional<std::string_view> line = find_domain_line(lines_, host);
  return line ? number(*line).value_or(0) : 0;
}

}  // namespace hato

#include "lib/store/named_lines.h"

#include <charconv>

#include "lib/base/error.h"

namespace hato {

std::optional<std::vector<NamedLine>> parse_named_lines(std::string_view record) {
  std::vector<NamedLine> lines;
  if (record.find('\0') != std::string_view::npos) return std::nullopt;
  while (!record.empty()) {
    const std::size_t end = record.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = record.substr(0, end);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    lines.push_back({line.substr(0, equals), line.substr(equals + 1)});
    record.remove_prefix(end + 1);
  }
  return lines;
}

void append_named_line(std::string& record, std::string_view name, std::string_view value) {
  if (value.find('\n') != std::string_view::npos || value.find('\0') != std::string_view::npos)
    throw PermError(std::string(name) + " may not have a line end or a NUL in it");
  record.append(name).append("=").append(value).append("\n");
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace hato

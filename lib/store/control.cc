#include "lib/store/control.h"

#include <limits>
#include <string_view>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/words.h"

namespace hato {

namespace {

std::string without_trailing_blanks(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
    line.remove_suffix(1);
  return std::string(line);
}

}  // namespace

Control::Control(const std::string& home) : directory_(home + "/control/") {}
Control::Control() : Control(conf::home) {}

std::optional<std::string> Control::text(const std::string& name) const {
  return read_file(path(name), control_limit);
}

std::optional<std::string> Control::line(const std::string& name) const {
  const std::optional<std::string> all = text(name);
  if (!all) return std::nullopt;
  return without_trailing_blanks(std::string_view(*all).substr(0, all->find('\n')));
}

std::string Control::line_or(const std::string& name, const std::string& fallback) const {
  return line(name).value_or(fallback);
}

std::vector<std::string> Control::words(const std::string& name, const std::string& fallback) const {
  return split_words(line_or(name, fallback));
}

std::string Control::line_or_me(const std::string& name, const std::string& fallback) const {
  if (std::optional<std::string> own = line(name)) return *own;
  return line_or("me", fallback);
}

std::int64_t Control::number(const std::string& name, std::int64_t fallback) const {
  const std::optional<std::string> first = line(name);
  if (!first || first->empty() || (*first)[0] < '0' || (*first)[0] > '9') return fallback;
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::int64_t value = 0;
  for (const char c : *first) {
    if (c < '0' || c > '9') break;
    if (value > (most - (c - '0')) / 10) return most;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<std::vector<std::string>> Control::lines(const std::string& name) const {
  const std::optional<std::string> all = text(name);
  if (!all) return std::nullopt;
  std::vector<std::string> found;
  std::string_view rest = *all;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string one = without_trailing_blanks(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!one.empty() && one[0] != '#') found.push_back(std::move(one));
  }
  return found;
}

std::string Control::me() const {
  std::optional<std::string> name = line("me");
  if (!name || name->empty())
    throw TempError(path("me") + ": missing or empty; it must hold this host's name");
  return *name;
}

}  // namespace hato

#include "qmail-send/reuse.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lib/base/log.h"

namespace hato {

namespace {

constexpr unsigned most_messages = 10000, most_seconds = 3600, most_idle = 60;

}  // namespace

std::optional<Reuse> parse_reuse(std::string_view line) {
  unsigned numbers[3] = {};
  std::size_t count = 0;
  while (!line.empty()) {
    if (line[0] == ' ' || line[0] == '\t') {
      line.remove_prefix(1);
      continue;
    }
    if (count == 3) return std::nullopt;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), numbers[count++]);
    if (error != std::errc() || (end != line.data() + line.size() && *end != ' ' && *end != '\t'))
      return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  }
  if (count == 0) return std::nullopt;
  Reuse reuse;
  reuse.messages = std::clamp(numbers[0], 1U, most_messages);
  if (count > 1) reuse.seconds = std::clamp(numbers[1], 1U, most_seconds);
  if (count > 2) reuse.idle = std::chrono::seconds(std::min(numbers[2], most_idle));
  return reuse;
}

Reuse control_reuse(const Control& control, const char* file) {
  const std::string line = control.line_or(file, "");
  const std::optional<Reuse> reuse = line.empty() ? Reuse() : parse_reuse(line);
  if (!reuse)
    log_line(2, std::string("warning: control/") + file + " is not up to three numbers: the default is used");
  return reuse.value_or(Reuse());
}

bool SeenLately::ask(const std::string& key, std::int64_t now, std::chrono::milliseconds within) {
  if (seen_.size() >= most_seen) seen_.clear();
  const auto [at, first] = seen_.try_emplace(key, now);
  return !first &&
         now - std::exchange(at->second, now) <= std::chrono::ceil<std::chrono::seconds>(within).count();
}

}  // namespace hato

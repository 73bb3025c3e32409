// control/reuseremote: how long a connection to a remote host, and the qmail-remote that has it, is kept for
// further messages; control/reuselocal and control/reusegate: the same for the qmail-local of a user and for
// a worker of the gate. And who is worth being kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "lib/store/control.h"

namespace hato {

struct Reuse {
  unsigned messages = 100;               // through one connection, agent or worker; 1: no reuse
  unsigned seconds = 300;                // no message is begun on one that is older
  std::chrono::milliseconds idle{2000};  // without a message it is closed after so long

  bool operator==(const Reuse&) const = default;
};

// "MESSAGES SECONDS IDLE", the last two may be left out; IDLE in seconds, at most 60; 1 to 10000 messages, 1
// to 3600 seconds, greater numbers are cut to these. MESSAGES 0 is 1. nullopt: not such a line.
std::optional<Reuse> parse_reuse(std::string_view line);
// Of that control file; when it is missing or empty the default, and likewise, after a warning in the log,
// when it holds something else. Throws TempError when it cannot be read.
Reuse control_reuse(const Control& control, const char* file);

// Was there a message with this key a moment ago? Then another may follow in a moment.
class SeenLately {
 public:
  // `now` in seconds; it counts as a message with this key.
  bool ask(const std::string& key, std::int64_t now, std::chrono::milliseconds within);
  void clear() { seen_.clear(); }

 private:
  static constexpr std::size_t most_seen = 10000;  // then all are forgotten

  std::unordered_map<std::string, std::int64_t> seen_;  // key: when a message with it came last
};

}  // namespace hato

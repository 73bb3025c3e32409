// control/reuseremote: how long a connection to a remote host, and the qmail-remote that has it, is kept for
// further messages. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace hato {

struct Reuse {
  unsigned messages = 100;               // through one connection; 1: no reuse
  unsigned seconds = 300;                // no message is begun on a connection that is older
  std::chrono::milliseconds idle{2000};  // without a message it is closed after so long

  bool operator==(const Reuse&) const = default;
};

// "MESSAGES SECONDS IDLE", the last two may be left out; IDLE in seconds, at most 60; 1 to 10000 messages, 1
// to 3600 seconds, greater numbers are cut to these. MESSAGES 0 is 1. nullopt: not such a line.
std::optional<Reuse> parse_reuse(std::string_view line);

}  // namespace hato

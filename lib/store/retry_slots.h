// When a deferred message is tried: qmail's quadratic progression at slots fixed from birth.
//
// A channel's slots are birth + (step * k)^2 seconds for k = 1, 2, 3, ...; every remote slot is a local one.
// The next attempt is the first slot after the last one.
#pragma once

#include <cstdint>

#include "lib/mail/channel.h"
#include "lib/store/queuefile.h"

namespace hato {

// Seconds; slot k of a channel lies (step * k)^2 after birth: local after 100 s, 400 s, 900 s, ..., remote
// after 400 s, 1600 s, 3600 s, ...
constexpr std::int64_t retry_step(Channel channel) {
  return channel == Channel::local ? 10 : 20;
}

// A message is born when it was committed: its id in seconds.
constexpr std::int64_t birth_of(QueueId id) {
  return static_cast<std::int64_t>(id.value() / 1000000);
}

// The smallest slot later than `time`. A message born in the future (the clock was ahead then, perhaps by
// years) does not wait for that: its slots are all multiples of the first interval.
std::int64_t first_slot_after(std::int64_t birth, Channel channel, std::int64_t time);
// Is there a slot s with from <= s <= to?
bool slot_within(std::int64_t birth, Channel channel, std::int64_t from, std::int64_t to);

}  // namespace hato

// When a message is tried next: qmail's quadratic progression at slots fixed from birth, and the heaps that
// hold what waits.
//
// A channel's slots are birth + (step * k)^2 seconds for k = 1, 2, 3, ...; every remote slot is a local one.
// The next attempt is the first slot after the last one.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

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

// One message that waits: 16 bytes, so that 200 000 of them are 3 MB.
struct Waiting {
  std::uint64_t id;
  std::uint32_t due;    // seconds since 1970 (until 2106)
  std::uint32_t flags;  // the owner's
};
static_assert(sizeof(Waiting) == 16);

// Min-heap by due, then id.
class Schedule {
 public:
  void push(QueueId id, std::int64_t due, std::uint32_t flags);
  // The earliest, when its time has come.
  std::optional<Waiting> pop_due(std::int64_t now);
  // When the earliest is due; nullopt when nothing waits.
  std::optional<std::int64_t> earliest() const;
  // SIGALRM: everything is due at `now`, with `flags` added.
  void make_all_due(std::int64_t now, std::uint32_t flags);
  // Takes out what belongs to these messages, in no order.
  std::vector<Waiting> take(const std::unordered_set<std::uint64_t>& ids);
  // Many at once, as after a start: append freely, then arrange() before anything else.
  void append(QueueId id, std::int64_t due, std::uint32_t flags);
  void arrange();
  std::size_t size() const { return heap_.size(); }
  bool empty() const { return heap_.empty(); }

 private:
  std::vector<Waiting> heap_;
};

}  // namespace hato

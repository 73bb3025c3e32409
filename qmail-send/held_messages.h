// The messages that the operator holds (queue/hold/ID), and what of the schedule they left when their time
// came: it is taken up again when they are released.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "lib/mail/channel.h"
#include "lib/store/queuefile.h"
#include "qmail-send/schedule.h"

namespace hato {

// An entry of the schedule that is out of it: of one channel, or of the whole message.
struct ParkedEntry {
  std::optional<Channel> channel;
  std::uint32_t flags = 0;  // of Waiting
  bool operator==(const ParkedEntry&) const = default;
};

class HeldMessages {
 public:
  bool contains(QueueId id) const { return held_.contains(id.value()); }
  bool empty() const { return held_.empty(); }
  std::size_t size() const { return held_.size(); }
  void hold(QueueId id) { held_[id.value()]; }
  // Keeps an entry of a held message; one of the same kind that is there takes its flags.
  void park(QueueId id, const ParkedEntry& entry);
  // No longer held: its entries.
  std::vector<ParkedEntry> release(QueueId id);

 private:
  struct Parked {
    static constexpr unsigned whole = channels;  // behind the channels' own
    std::uint32_t flags[channels + 1] = {};
    std::uint8_t kept = 0;  // bits
  };
  std::unordered_map<std::uint64_t, Parked> held_;
};

}  // namespace hato

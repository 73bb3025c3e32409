#include "qmail-send/held_messages.h"

namespace hato {

void HeldMessages::park(QueueId id, const ParkedEntry& entry) {
  Parked& parked = held_[id.value()];
  const unsigned kind = entry.channel ? static_cast<unsigned>(*entry.channel) : Parked::whole;
  parked.flags[kind] |= entry.flags;
  parked.kept = static_cast<std::uint8_t>(parked.kept | (1U << kind));
}

std::vector<ParkedEntry> HeldMessages::release(QueueId id) {
  std::vector<ParkedEntry> entries;
  const auto found = held_.find(id.value());
  if (found == held_.end()) return entries;
  const Parked& parked = found->second;
  for (unsigned kind = 0; kind <= Parked::whole; ++kind) {
    if ((parked.kept & (1U << kind)) == 0) continue;
    ParkedEntry entry;
    if (kind != Parked::whole) entry.channel = static_cast<Channel>(kind);
    entry.flags = parked.flags[kind];
    entries.push_back(entry);
  }
  held_.erase(found);
  return entries;
}

}  // namespace hato

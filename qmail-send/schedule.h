// The heaps that hold what waits for its time (lib/store/retry_slots.h).
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "lib/store/queuefile.h"
#include "lib/store/retry_slots.h"

namespace hato {

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

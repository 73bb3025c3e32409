// One destination of deliveries, and how much it may be asked: for remote mail a next hop
// (lib/net/next_hop.h), for local mail a user. Pure policy; the clock is the caller's (microseconds since
// 1970).
//
// - Concurrency. A limit that an operator set (control/concurrencyremotehost, concurrencylocaluser) is the
//   limit. Without one a destination gets another delivery only while it has fewer under way than there are
//   places left: alone it gets half of them, and k greedy ones together k of k + 1 parts, so there is always
//   room for others. Places of hosts that have not answered yet count as left: a dead host that nobody knows
//   of yet makes nobody slower.
// - A remote host that has not answered yet gets two at a time, one more for each answer; after trouble one,
//   and one more only for each round of answers.
// - Rate. So many a minute, evenly spaced (control/rateremotehost).
// - Trouble (HostSays) makes it back off as a whole: a minute, then twice as long each time, an hour at most.
//   Any answer ends that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/agent.h"

namespace hato {

constexpr std::int64_t first_back_off = 60, longest_back_off = 3600;  // seconds

struct DestinationLimits {
  std::size_t concurrency = 0;  // at a time; 0: see above
  std::uint32_t rate = 0;       // a minute; 0: any
  bool slow_start = false;      // remote

  bool operator==(const DestinationLimits&) const = default;
};

// What a channel has left.
struct Places {
  std::size_t free = 0;      // deliveries that it may start
  std::size_t unproven = 0;  // deliveries under way to hosts that are unproven
};

class Destination {
 public:
  explicit Destination(DestinationLimits limits);

  void limit(DestinationLimits limits) { limits_ = limits; }
  bool may_start(std::int64_t now_us, Places places) const;
  void started(std::int64_t now_us);
  // A host that has not answered yet, or not since its last trouble.
  bool unproven() const { return limits_.slow_start && !proven_; }
  // True when it begins to back off with this.
  bool ended(HostSays host, std::int64_t now_us);

  bool backs_off(std::int64_t now_us) const { return now_us < back_off_until_; }
  std::int64_t back_off_seconds() const;           // how long this time; 0: no trouble
  unsigned troubles() const { return troubles_; }  // in a row
  // When time alone may let one more start (rate); 0: time does not matter.
  std::int64_t not_before() const { return limits_.rate > 0 ? next_start_ : 0; }
  std::size_t under_way() const { return under_way_; }
  // Nothing under way, and nothing about it that would be missed.
  bool forgettable(std::int64_t now_us) const;
  // SIGALRM: as if nothing had happened, except for its rate.
  void forgive();

 private:
  DestinationLimits limits_;
  std::size_t under_way_ = 0;
  std::size_t window_;
  std::size_t answers_ = 0;  // since the window grew
  bool had_trouble_ = false, proven_ = false;
  unsigned troubles_ = 0;
  std::int64_t back_off_until_ = 0, next_start_ = 0, last_used_ = 0;
};

}  // namespace hato

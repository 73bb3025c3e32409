// Messages that nobody has looked at yet, and the order in which they are looked at: the oldest first, as
// long as there is something to deliver in them. Where there is not (a dead host's thousands came first), the
// newest are looked at, then any of them, until there is again: so work is found wherever it lies among what
// has to wait. Every eighth is the oldest in any case: nothing is overlooked for ever. No I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>

#include "qmail-send/schedule.h"

namespace hato {

class NewMail {
 public:
  void push(const Waiting& entry) { waiting_.push_back(entry); }
  std::optional<Waiting> next();
  // Whether a delivery could start at once for the one that next gave last.
  void found_work(bool found);
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }

 private:
  enum class Side { oldest, newest, any };

  std::deque<Waiting> waiting_;  // by arrival, but for what was put in the place of an `any`
  Side side_ = Side::oldest;
  Side last_ = Side::oldest;  // that next looked at
  unsigned count_ = 0;
  unsigned misses_ = 0;  // of `any`, in a row
  std::minstd_rand random_;
};

}  // namespace hato

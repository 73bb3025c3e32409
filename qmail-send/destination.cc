#include "qmail-send/destination.h"

#include <algorithm>

namespace hato {

namespace {

constexpr std::int64_t second = 1000000, minute = 60 * second;
constexpr std::size_t first_window = 2;  // of a host that nothing is known about
constexpr std::size_t largest_window = 100000;
constexpr std::int64_t remembered = minute;               // after its last delivery
constexpr std::int64_t trouble_remembered = 60 * minute;  // after the end of a back-off

}  // namespace

Destination::Destination(DestinationLimits limits)
    : limits_(limits), window_(limits.slow_start ? first_window : largest_window) {}

bool Destination::may_start(std::int64_t now_us, Places places) const {
  const std::size_t most = limits_.concurrency > 0 ? limits_.concurrency : places.free + places.unproven;
  return places.free > 0 && under_way_ < std::min(most, window_) && now_us >= not_before();
}

void Destination::started(std::int64_t now_us) {
  ++under_way_;
  last_used_ = now_us;
  if (limits_.rate > 0) next_start_ = std::max(now_us, next_start_) + minute / limits_.rate;
}

bool Destination::ended(HostSays host, std::int64_t now_us) {
  --under_way_;
  last_used_ = now_us;
  if (host == HostSays::answered) {
    troubles_ = 0;
    back_off_until_ = 0;
    proven_ = true;
    if (limits_.slow_start && ++answers_ >= (had_trouble_ ? window_ : 1) && window_ < largest_window)
      ++window_, answers_ = 0;
  }
  // What fails while it backs off was begun before, and says nothing new.
  if (host != HostSays::trouble || backs_off(now_us)) return false;
  ++troubles_;
  had_trouble_ = true;
  proven_ = false;
  window_ = 1;
  answers_ = 0;
  back_off_until_ = now_us + back_off_seconds() * second;
  return true;
}

std::int64_t Destination::back_off_seconds() const {
  if (troubles_ == 0) return 0;
  return std::min(first_back_off << std::min(troubles_ - 1, 10U), longest_back_off);
}

bool Destination::forgettable(std::int64_t now_us) const {
  if (under_way_ > 0 || now_us < next_start_) return false;
  return now_us >= (had_trouble_ ? std::max(last_used_, back_off_until_) + trouble_remembered
                                 : last_used_ + remembered);
}

void Destination::forgive() {
  troubles_ = 0;
  had_trouble_ = false;
  back_off_until_ = 0;
  answers_ = 0;
  if (limits_.slow_start) window_ = std::max(window_, first_window);
}

}  // namespace hato

// Two clocks: the wall clock for what is written down, the steady clock for how long something may take.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hato {

std::int64_t now_us();       // wall clock, microseconds since 1970 (UTC, no leap seconds)
std::int64_t now_seconds();  // wall clock, seconds since 1970

// "@" and 24 hex digits: the TAI64N label of now, TAI - UTC = 10 s as in qmail's logs (multilog(8),
// tai64nlocal(8)).
std::string tai64n_label();

// A moment on the steady clock. Never affected by somebody setting the time.
class Deadline {
 public:
  static Deadline in(std::chrono::milliseconds time) {
    return Deadline(std::chrono::steady_clock::now() + time);
  }
  static Deadline in_seconds(std::int64_t seconds) { return in(std::chrono::seconds(seconds)); }
  static Deadline never() { return Deadline(std::chrono::steady_clock::time_point::max()); }

  bool passed() const { return poll_ms() == 0; }
  // For poll(2): milliseconds left, rounded up, 0 when passed, -1 for never.
  int poll_ms() const;
  // The earlier of two.
  friend Deadline earlier(Deadline a, Deadline b) { return a.at_ < b.at_ ? a : b; }

 private:
  explicit Deadline(std::chrono::steady_clock::time_point at) : at_(at) {}
  std::chrono::steady_clock::time_point at_;
};

}  // namespace hato

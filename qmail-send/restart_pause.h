// How long to wait before a program that has ended is started again: a second, and twice as long each time
// that it did not settle, because every try costs lines in the log.
#pragma once

#include <algorithm>

namespace hato {

class RestartPause {
 public:
  explicit RestartPause(int longest_seconds) : longest_(longest_seconds) {}
  // Seconds. settled: the program had come up before it ended.
  int after(bool settled) {
    if (settled) next_ = 1;
    const int pause = next_;
    next_ = std::min(2 * next_, longest_);
    return pause;
  }

 private:
  int longest_;
  int next_ = 1;
};

}  // namespace hato

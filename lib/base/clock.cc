#include "lib/base/clock.h"

#include <limits.h>
#include <time.h>

#include "lib/base/owfat.h"

namespace hato {

std::int64_t now_us() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

std::int64_t now_seconds() {
  return now_us() / 1000000;
}

std::string tai64n_label() {
  taia now;
  taia_now(&now);
  char packed[TAIA_PACK];
  taia_pack(packed, &now);
  char label[25];
  label[0] = '@';
  fmt_hexdump(label + 1, packed, 12);
  return std::string(label, sizeof label);
}

int Deadline::poll_ms() const {
  if (at_ == std::chrono::steady_clock::time_point::max()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(at_ - std::chrono::steady_clock::now()).count();
  if (left <= 0) return 0;
  return left > INT_MAX ? INT_MAX : static_cast<int>(left);
}

}  // namespace hato

#include "lib/store/retry_slots.h"

#include <algorithm>
#include <cmath>

namespace hato {

namespace {

// floor(sqrt(x)), exact for every x >= 0 that can be an age.
std::int64_t square_root(std::int64_t x) {
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(x)));
  while (root * root > x) --root;
  while ((root + 1) * (root + 1) <= x) ++root;
  return root;
}

}  // namespace

std::int64_t first_slot_after(std::int64_t birth, Channel channel, std::int64_t time) {
  const std::int64_t step = retry_step(channel);
  if (birth > time) return (time / (step * step) + 1) * (step * step);
  const std::int64_t age = std::max<std::int64_t>(time - birth, 0);
  const std::int64_t k = square_root(age) / step + 1;
  return birth + step * k * step * k;
}

bool slot_within(std::int64_t birth, Channel channel, std::int64_t from, std::int64_t to) {
  return first_slot_after(birth, channel, from - 1) <= to;
}

}  // namespace hato

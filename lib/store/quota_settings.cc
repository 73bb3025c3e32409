#include "lib/store/quota_settings.h"

#include <algorithm>

namespace hato {

Trash quota_trash(const Control& control) {
  return control.number("quotatrash", 1) == 0 ? Trash::excluded : Trash::counted;
}

unsigned quota_warn_percent(const Control& control) {
  return static_cast<unsigned>(
      std::clamp<std::int64_t>(control.number("quotawarn", quota_warn_default), 0, 100));
}

std::int64_t quota_lifetime(const Control& control) {
  return std::max<std::int64_t>(control.number("quotalifetime", quota_lifetime_default), 0);
}

}  // namespace hato

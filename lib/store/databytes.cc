#include "lib/store/databytes.h"

#include "lib/base/env.h"

namespace hato {

std::uint64_t leading_number(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    const std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return UINT64_MAX;
    value = value * 10 + digit;
  }
  return value;
}

Databytes read_databytes(const Control& control) {
  if (const auto own = env("DATABYTES")) return {leading_number(*own), true};
  return {static_cast<std::uint64_t>(control.number("databytes", 0)), false};
}

}  // namespace hato

// Big-endian numbers in memory, as our disk formats and protocols have them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hato {

template <typename Number>
void put_big(std::string& out, Number value) {
  for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<unsigned char>(value >> shift));
}

// bytes.size() must be at least sizeof(Number) past `at`.
template <typename Number>
Number get_big(std::string_view bytes, std::size_t at = 0) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    value = static_cast<Number>(static_cast<Number>(value << 8) | static_cast<unsigned char>(bytes[at + i]));
  return value;
}

}  // namespace hato

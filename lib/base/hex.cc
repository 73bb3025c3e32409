#include "lib/base/hex.h"

namespace hato {

std::string to_hex(std::string_view octets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * octets.size());
  for (const char octet : octets) {
    text += digits[static_cast<unsigned char>(octet) >> 4];
    text += digits[static_cast<unsigned char>(octet) & 15];
  }
  return text;
}

}  // namespace hato

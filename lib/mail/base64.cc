#include "lib/mail/base64.h"

#include <cstdint>

#include "lib/base/owfat.h"

namespace hato {

namespace {

constexpr int bad = -1;
constexpr int blank = -2;

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' ? blank : bad;
}

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text(fmt_base64(nullptr, bytes.data(), bytes.size()), '\0');
  text.resize(fmt_base64(text.data(), bytes.data(), bytes.size()));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t group = 0;
  unsigned count = 0;    // characters of this group of four
  unsigned padding = 0;  // of them at its end
  for (const char c : text) {
    const int value = c == '=' ? 0 : value_of(c);
    if (value == blank) continue;
    if (value == bad) return std::nullopt;
    // Padding ends a text: nothing but more of it may follow.
    if (c == '=' ? count < 2 : padding > 0) return std::nullopt;
    if (c == '=') ++padding;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++count < 4) continue;
    for (unsigned i = 0; i < 3 - padding; ++i)
      bytes.push_back(static_cast<char>(group >> (16 - 8 * i) & 255));
    group = 0;
    count = 0;
  }
  if (count != 0) return std::nullopt;
  return bytes;
}

}  // namespace hato

#include "lib/mail/domain.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lib/mail/utf8.h"

namespace hato {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool between(char32_t c, char32_t first, char32_t last) {
  return c >= first && c <= last;
}

// Simple lower case (Unicode's UnicodeData.txt) of the scripts with case that domain names use, after the
// width mapping of UTS 46.
char32_t map_character(char32_t c) {
  if (between(c, 0xff01, 0xff5e)) c -= 0xfee0;
  if (c == 0x3002 || c == 0xff61) return U'.';
  if (between(c, U'A', U'Z')) return c + 0x20;
  if (c < 0xc0) return c;
  if (between(c, 0xc0, 0xde)) return c == 0xd7 ? c : c + 0x20;
  if (c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149 || c == 0x17f) return c;  // no simple pair here
  if (c == 0x178) return 0xff;
  if (between(c, 0x139, 0x148) || between(c, 0x179, 0x17e)) return (c & 1) ? c + 1 : c;
  if (between(c, 0x100, 0x177)) return c | 1;
  if (between(c, 0x1e00, 0x1e95) || between(c, 0x1ea0, 0x1eff)) return c | 1;
  if (c == 0x1e9e) return 0xdf;
  if (c == 0x386) return 0x3ac;
  if (between(c, 0x388, 0x38a)) return c + 37;
  if (c == 0x38c) return 0x3cc;
  if (c == 0x38e || c == 0x38f) return c + 63;
  if (between(c, 0x391, 0x3ab) && c != 0x3a2) return c + 0x20;
  if (between(c, 0x400, 0x40f)) return c + 0x50;
  if (between(c, 0x410, 0x42f)) return c + 0x20;
  if (between(c, 0x460, 0x481) || between(c, 0x48a, 0x4bf) || between(c, 0x4d0, 0x52f)) return c | 1;
  return c;
}

// RFC 3492 section 5.
constexpr std::uint32_t base = 36, t_min = 1, t_max = 26, skew = 38, damp = 700, initial_bias = 72,
                        initial_n = 0x80;

std::uint32_t adapt(std::uint32_t delta, std::uint32_t points, bool first) {
  delta = first ? delta / damp : delta / 2;
  delta += delta / points;
  std::uint32_t k = 0;
  for (; delta > ((base - t_min) * t_max) / 2; k += base) delta /= base - t_min;
  return k + (base - t_min + 1) * delta / (delta + skew);
}

char digit(std::uint32_t value) {
  return static_cast<char>(value < 26 ? 'a' + value : '0' + (value - 26));
}

}  // namespace

std::string to_lower_ascii(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string> punycode(std::string_view label) {
  if (label.size() > max_domain) return std::nullopt;  // so that nothing below can overflow
  std::vector<char32_t> input;
  for (std::size_t at = 0; at < label.size();) {
    input.push_back(next_utf8(label, at));
    if (input.back() == invalid_utf8) return std::nullopt;
  }
  std::string out;
  for (const char32_t c : input)
    if (c < 0x80) out += static_cast<char>(c);
  const auto basic = static_cast<std::uint32_t>(out.size());
  if (basic > 0) out += '-';

  std::uint32_t n = initial_n, delta = 0, bias = initial_bias, done = basic;
  while (done < input.size()) {
    char32_t next = invalid_utf8;
    for (const char32_t c : input)
      if (c >= n && c < next) next = c;
    delta += (static_cast<std::uint32_t>(next) - n) * (done + 1);
    n = static_cast<std::uint32_t>(next);
    for (const char32_t c : input) {
      if (c < n) ++delta;
      if (c != n) continue;
      std::uint32_t q = delta;
      for (std::uint32_t k = base;; k += base) {
        const std::uint32_t t = k <= bias ? t_min : k >= bias + t_max ? t_max : k - bias;
        if (q < t) break;
        out += digit(t + (q - t) % (base - t));
        q = (q - t) / (base - t);
      }
      out += digit(q);
      bias = adapt(delta, done + 1, done == basic);
      delta = 0;
      ++done;
    }
    ++delta;
    ++n;
  }
  return out;
}

std::optional<std::string> to_ascii_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > 4 * max_domain) return std::nullopt;
  std::string mapped;
  for (std::size_t at = 0; at < domain.size();) {
    const char32_t c = next_utf8(domain, at);
    if (c == invalid_utf8) return std::nullopt;
    if (c <= 0x20 || between(c, 0x7f, 0xa0) || c == 0x3000) return std::nullopt;
    append_utf8(mapped, map_character(c));
  }
  if (mapped.front() == '[') return mapped.size() <= max_domain ? std::optional(mapped) : std::nullopt;
  if (mapped.back() == '.') mapped.pop_back();

  std::string out;
  std::string_view rest = mapped;
  for (;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    std::string ascii(label);
    if (!is_ascii(label)) {
      const auto coded = punycode(label);
      if (!coded) return std::nullopt;
      ascii = "xn--" + *coded;
    }
    if (ascii.empty() || ascii.size() > max_label) return std::nullopt;
    out += ascii;
    if (dot == std::string_view::npos) break;
    out += '.';
    rest.remove_prefix(dot + 1);
  }
  if (out.size() > max_domain) return std::nullopt;
  return out;
}

std::string canonical_domain(std::string_view domain) {
  if (const auto ascii = to_ascii_domain(domain)) return *ascii;
  return to_lower_ascii(domain);
}

bool same_domain(std::string_view a, std::string_view b) {
  if (equal_ignoring_case(a, b)) return true;
  return canonical_domain(a) == canonical_domain(b);
}

}  // namespace hato

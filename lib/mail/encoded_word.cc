#include "lib/mail/encoded_word.h"

#include <cstddef>

#include "lib/base/owfat.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

// "=?UTF-8?B?" and "?=" are 12 of 75 characters; 63 are left, so 60 of base64, which is 45 bytes.
constexpr std::size_t bytes_per_word = 45;

// "=?unknown-8bit?B?" is 7 more: 52 of base64.
constexpr std::size_t unknown_bytes_per_word = 39;

std::string one_word(std::string_view bytes, std::string_view charset = "UTF-8") {
  std::string coded(fmt_base64(nullptr, bytes.data(), bytes.size()), '\0');
  coded.resize(fmt_base64(coded.data(), bytes.data(), bytes.size()));
  return "=?" + std::string(charset) + "?B?" + coded + "?=";
}

std::string without_controls(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if ((c >= 0 && c < 32) || c == 127) c = ' ';
  return out;
}

std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string encoded_words(std::string_view utf8) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    std::size_t next = at;
    next_utf8(utf8, next);
    if (next - begin > bytes_per_word) {
      out += one_word(utf8.substr(begin, at - begin)) + "\n ";
      begin = at;
    }
    at = next;
  }
  return out + one_word(utf8.substr(begin));
}

std::string encoded_text(std::string_view text) {
  if (is_utf8(text)) return encoded_words(text);
  std::string out;
  for (; text.size() > unknown_bytes_per_word; text.remove_prefix(unknown_bytes_per_word))
    out += one_word(text.substr(0, unknown_bytes_per_word), "unknown-8bit") + "\n ";
  return out + one_word(text, "unknown-8bit");
}

std::string display_name(std::string_view name) {
  const std::string clean = without_controls(name);
  if (!is_ascii(clean) && is_utf8(clean)) return encoded_words(clean);
  return "\"" + escaped(clean, "\"\\") + "\"";
}

std::string comment_text(std::string_view text) {
  const std::string clean = without_controls(text);
  if (!is_ascii(clean) && is_utf8(clean)) return encoded_words(clean);
  return escaped(clean, "()\\");
}

}  // namespace hato

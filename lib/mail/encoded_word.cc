#include "lib/mail/encoded_word.h"

#include <cstddef>

#include "lib/base/owfat.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

// "=?UTF-8?B?" and "?=" are 12 of 75 characters; 63 are left, so 60 of base64, which is 45 bytes.
constexpr std::size_t bytes_per_word = 45;
// With "=?ISO-2022-JP?B?" it is 57, 56 and 42.
constexpr std::size_t bytes_per_jp_word = 42;
constexpr std::size_t escape_size = 3;
constexpr std::string_view to_ascii = "\x1b(B";

// "=?unknown-8bit?B?" is 7 more: 52 of base64.
constexpr std::size_t unknown_bytes_per_word = 39;

std::string one_word(std::string_view bytes, std::string_view charset = "UTF-8") {
  std::string coded(fmt_base64(nullptr, bytes.data(), bytes.size()), '\0');
  coded.resize(fmt_base64(coded.data(), bytes.data(), bytes.size()));
  return "=?" + std::string(charset) + "?B?" + coded + "?=";
}

// ESC $ B, ESC $ @, ESC ( B, ESC ( J at this place: "" for none.
std::string_view escape_at(std::string_view text, std::size_t at) {
  const std::string_view three = text.substr(at, escape_size);
  for (const std::string_view known : {"\x1b$B", "\x1b$@", "\x1b(B", "\x1b(J"})
    if (three == known) return three;
  return "";
}

// Each word begins and ends in ASCII (RFC 2047 5), so the escape in force is ended and begun again between
// two.
std::string iso2022_jp_words(std::string_view text) {
  std::string out, word;
  std::string_view mode = to_ascii;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view escape = escape_at(text, at);
    const std::size_t step = !escape.empty() ? escape_size : mode[1] == '$' ? 2U : 1U;
    if (word.size() + step + escape_size > bytes_per_jp_word) {
      out += one_word(word + std::string(mode == to_ascii ? "" : to_ascii), "ISO-2022-JP") + "\n ";
      word = mode == to_ascii ? "" : mode;
    }
    word += text.substr(at, step);
    if (!escape.empty()) mode = escape;
    at += step;
  }
  return out + one_word(word + std::string(mode == to_ascii ? "" : to_ascii), "ISO-2022-JP");
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

bool is_iso2022_jp(std::string_view text) {
  bool japanese = false, double_bytes = false;
  for (std::size_t at = 0; at < text.size();) {
    if (const std::string_view escape = escape_at(text, at); !escape.empty()) {
      double_bytes = escape[1] == '$';
      japanese = true;
      at += escape_size;
      continue;
    }
    const std::size_t step = double_bytes ? 2 : 1;
    if (at + step > text.size()) return false;
    for (const char c : text.substr(at, step))
      if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) > 126) return false;
    at += step;
  }
  return japanese && !double_bytes;
}

std::string display_name(std::string_view name) {
  if (is_iso2022_jp(name)) return iso2022_jp_words(name);
  const std::string clean = without_controls(name);
  if (!is_ascii(clean) && is_utf8(clean)) return encoded_words(clean);
  return "\"" + escaped(clean, "\"\\") + "\"";
}

std::string comment_text(std::string_view text) {
  if (is_iso2022_jp(text)) return iso2022_jp_words(text);
  const std::string clean = without_controls(text);
  if (!is_ascii(clean) && is_utf8(clean)) return encoded_words(clean);
  return escaped(clean, "()\\");
}

}  // namespace hato

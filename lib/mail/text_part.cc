#include "lib/mail/text_part.h"

#include <algorithm>
#include <string_view>

#include "lib/mail/encoded_word.h"
#include "lib/mail/quoted_printable.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

bool has_long_line(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > longest_message_line) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

}  // namespace

std::string text_part(const std::string& content_type, const std::string& text) {
  const bool plain = is_ascii(text) && !has_long_line(text) && text.find('\0') == std::string::npos;
  std::string part = "Content-Type: " + content_type + "\n";
  if (!plain) part += "Content-Transfer-Encoding: quoted-printable\n";
  part += "\n" + (plain ? text : quoted_printable(text));
  if (!part.ends_with('\n')) part += '\n';
  return part;
}

std::string header_words(const std::string& utf8) {
  const auto high =
      std::find_if(utf8.begin(), utf8.end(), [](char c) { return static_cast<unsigned char>(c) >= 128; });
  if (high == utf8.end()) return utf8;
  const std::size_t blank = utf8.rfind(' ', static_cast<std::size_t>(high - utf8.begin()));
  if (blank == std::string::npos) return encoded_words(utf8);
  return utf8.substr(0, blank) + "\n " + encoded_words(utf8.substr(blank + 1));
}

}  // namespace hato

#include "lib/mail/json.h"

#include <cstdio>

#include "lib/mail/utf8.h"

namespace hato {

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_utf8(text, at);
    if (c == invalid_utf8) {
      append_utf8(quoted, 0xfffd);
    } else if (c < 0x20 || c == 0x7f) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      quoted += escape;
    } else {
      if (c == '"' || c == '\\') quoted += '\\';
      append_utf8(quoted, c);
    }
  }
  return quoted + '"';
}

}  // namespace hato

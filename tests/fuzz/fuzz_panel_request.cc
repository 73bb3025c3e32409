// What a browser can send to the control panel: forms, cookies, languages; and qmail-rcptd's answer.
#include <cstdint>
#include <cstdlib>

#include "lib/mail/utf8.h"
#include "panel/cgi_request.h"
#include "panel/html.h"
#include "panel/mailbox_use.h"

using namespace hato::panel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto form = parse_form(input)) {
    if (form->size() > form_fields) std::abort();
    for (const auto& [name, value] : *form) {
      if (!hato::is_utf8(name) || !hato::is_utf8(value)) std::abort();
      if (value.find('\r') != value.npos || value.find('\0') != value.npos) std::abort();
      const auto again = parse_form("v=" + form_encode(value));
      if (value.size() < form_limit / 4 && (!again || again->at("v") != value)) std::abort();
    }
  }
  if (const auto value = cookie_value(input, "hato_session"))
    if (value->find(';') != value->npos) std::abort();
  if (html(input).find_first_of("<>\"'") != std::string::npos) std::abort();
  prefers_japanese(input);
  if (const auto use = parse_mailbox_use(input)) {
    const auto percent = use->percent();
    if (percent && *percent > 100) std::abort();
  }
  return 0;
}

#include "lib/mail/fill_in.h"

namespace hato {

std::string filled_in(std::string_view text, const FillIns& values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const std::size_t close = text.find('}');
    const auto value =
        close == std::string_view::npos ? values.end() : values.find(text.substr(1, close - 1));
    const std::size_t length = value == values.end() ? 1 : close + 1;
    out += value == values.end() ? "{" : value->second;
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace hato

#include "qmtp/answer.h"

#include <algorithm>

namespace hato::qmtp::answer {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string accepted(std::int64_t now, std::uint32_t qp) {
  return "Kok " + std::to_string(now) + " qp " + std::to_string(qp);
}

std::string refused(const GateResult& result) {
  std::string text = result.report();
  if (text.size() > 5 && std::all_of(text.begin() + 1, text.begin() + 4, is_digit) && text[4] == ' ')
    text.erase(1, 4);
  for (char& c : text)
    if (c < 32 || c >= 127) c = '?';
  return text;
}

std::string_view broken(PackageFault fault) {
  switch (fault) {
    case PackageFault::none:
      break;
    case PackageFault::length:
      return "Dthat is no netstring: its length is not a number that i understand (#5.5.2)";
    case PackageFault::comma:
      return "Dthat is no netstring: there is no comma at its end (#5.5.2)";
    case PackageFault::overrun:
      return "Dthat netstring is longer than the one around it (#5.5.2)";
    case PackageFault::envelope:
      return "Dsorry, an envelope may have 16777216 bytes: send the message in several pieces (#5.5.3)";
    case PackageFault::recipients:
      return "Dsorry, a message may have 250000 recipients: send it in several pieces (#5.5.3)";
  }
  return "Dthat is not a message (#5.5.2)";
}

}  // namespace hato::qmtp::answer

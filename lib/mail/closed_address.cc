#include "lib/mail/closed_address.h"

#include <algorithm>

#include "lib/mail/suite_command.h"

namespace hato {

std::optional<std::string> closing_words(const Dotfile& dotfile) {
  using Kind = DotfileInstruction::Kind;
  for (const DotfileInstruction& instruction : dotfile.instructions) {
    switch (instruction.kind) {
      case Kind::suite_program:
        return bounce_words(instruction.text);
      case Kind::program:
      case Kind::mbox:
      case Kind::maildir:
        return std::nullopt;
      case Kind::forward:
      case Kind::comment:
      case Kind::list:
      case Kind::reserved:
        break;
    }
  }
  return std::nullopt;
}

std::string closed_reply(std::string_view words) {
  std::string text;
  for (const char c : words.substr(0, max_closed_text))
    text += static_cast<unsigned char>(c) < 32 || c == 127 ? ' ' : c;
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  const bool ascii =
      std::none_of(words.begin(), words.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
  if (text.empty() || !ascii) text = closed_by_default;
  return "550 5.7.1 " + text + " (#5.7.1)";
}

}  // namespace hato

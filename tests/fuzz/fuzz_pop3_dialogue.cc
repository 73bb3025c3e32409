// POP3 command lines, before and after login: whatever the bytes, every line gets one answer and a login is
// one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "pop3d/command.h"
#include "pop3d/login.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hato;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  LoginDialogue dialogue("<1.2@host>");
  bool over = false;
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    const std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);

    const Pop3Command command = parse_pop3_command(line);
    std::string_view argument = command.argument;
    const std::size_t before = argument.size();
    const auto number = take_number(argument);
    if (number.has_value() != (argument.size() < before)) std::abort();

    if (over) continue;
    const LoginDialogue::Step step = dialogue.command(line);
    over = step.over;
    if (step.login.has_value() == !step.reply.empty()) std::abort();
    if (!step.reply.empty() && (step.reply.size() < 2 || !step.reply.ends_with("\r\n"))) std::abort();
    if (step.login) {
      const auto back = from_wire(to_wire(*step.login));
      if (!back || back->name.text() != step.login->name.text() ||
          back->password.text() != step.login->password.text())
        std::abort();
    }
  }
  return 0;
}

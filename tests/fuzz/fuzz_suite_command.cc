// Program lines that are run without a shell, and the file that they stand in: what is taken is one of our
// programs, is written again as the same words, a confined file names nothing outside the home, and what a
// closed address says is one line of a reply.
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/closed_address.h"
#include "lib/mail/dotfile.h"
#include "lib/mail/suite_command.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  using Kind = DotfileInstruction::Kind;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto words = parse_suite_command(text)) {
    const std::string& program = words->front();
    if (program != "bouncesaying" && program != "qmail-vacation") abort();
    if (program == "bouncesaying" && words->size() != 2) abort();
    if (parse_suite_command(suite_command(*words)) != words) abort();
  }
  // One line of a reply, whatever the words are.
  const std::string reply = closed_reply(text);
  if (reply.size() > 500 || !reply.starts_with("550 5.7.1 ") || !reply.ends_with(" (#5.7.1)") ||
      reply.find_first_not_of(' ', 10) == reply.rfind("(#"))
    abort();
  for (const char c : reply)
    if (c < ' ' || c == 127) abort();
  if (const auto words = closing_words(parse_dotfile(text, false)))
    if (words->find('\n') != std::string::npos) abort();
  const Confinement confinement{false, "/home/abc", "/var/mail/abc"};
  for (const DotfileInstruction& instruction : parse_dotfile(text, false, &confinement).instructions) {
    if (instruction.kind == Kind::program) abort();
    if (instruction.kind == Kind::suite_program && !parse_suite_command(instruction.text)) abort();
    if (instruction.kind != Kind::mbox && instruction.kind != Kind::maildir) continue;
    if (instruction.text == confinement.mailbox) continue;
    const auto path = path_below_home(instruction.text, confinement.home);
    if (!path || path->starts_with('/')) abort();
    if (*path == ".." || path->starts_with("../") || path->ends_with("/..") ||
        path->find("/../") != std::string_view::npos)
      abort();
  }
  return 0;
}

// Program lines that are run without a shell, and the file that they stand in: what is taken is one of our
// programs, is written again as the same words, and a confined file names nothing outside the home.
#include <stdint.h>
#include <stdlib.h>

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

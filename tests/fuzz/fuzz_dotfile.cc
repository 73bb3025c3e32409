// The dot-qmail(5) parser: whatever the text, every instruction is a part of it, and a problem ends the list.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/dotfile.h"
#include "lib/mail/mbox.h"
#include "lib/store/dotfile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hato;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool forward_only : {false, true}) {
    const Dotfile dotfile = parse_dotfile(text, forward_only);
    if (dotfile.instructions.empty() && !dotfile.problem) std::abort();
    bool forwards_only_from_here = forward_only;
    for (const DotfileInstruction& instruction : dotfile.instructions) {
      using Kind = DotfileInstruction::Kind;
      const bool inside = instruction.text.empty() ||
                          (instruction.text.data() >= text.data() &&
                           instruction.text.data() + instruction.text.size() <= text.data() + text.size());
      if (!inside || instruction.text.find('\n') != std::string_view::npos) std::abort();
      const bool delivers = instruction.kind == Kind::program || instruction.kind == Kind::mbox ||
                            instruction.kind == Kind::maildir;
      if (delivers && forwards_only_from_here) std::abort();
      if (instruction.kind == Kind::list) forwards_only_from_here = true;
    }
  }
  if (size <= 1000)
    for (const DotfileName& name : dotfile_names("-", text, "-+"))
      if (name.name.find("..") != std::string::npos) std::abort();  // no climbing out of the home
  MboxQuoter quoter;
  std::string out;
  quoter.put(text.substr(0, size / 2), out);
  quoter.put(text.substr(size / 2), out);
  quoter.end(out);
  if (!out.ends_with("\n") || out.starts_with("From ") || out.find("\nFrom ") != std::string::npos)
    std::abort();
  return 0;
}

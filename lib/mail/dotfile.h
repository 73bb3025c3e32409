// The text of a dot-qmail(5) file as a list of delivery instructions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct DotfileInstruction {
  enum class Kind {
    comment,   // "#..." or a blank line that is not the first; text: the line
    program,   // "|command"; text: the command, for sh -c
    forward,   // "&address", or anything that begins with none of # | & . / +; text: the address, unparsed
    mbox,      // begins with . or /, does not end with /; text: the file name
    maildir,   // begins with . or /, ends with /; text: the directory name with its slash
    list,      // "+list": from here on the file is a mailing list and may only forward
    reserved,  // another "+word": ignored, as qmail does
    suite_program,  // a program line of lib/mail/suite_command.h, for no shell; text: the command
  };
  Kind kind;
  std::string_view text;  // without trailing blanks and tabs; points into the text that was parsed
};

// What the lines of a file that a control panel writes (control/dotdir) may do.
struct Confinement {
  bool programs = false;  // any program line; else only those of lib/mail/suite_command.h
  std::string home;       // absolute: mbox and maildir lines name what is below it
  std::string mailbox;    // the account's own, by the operator's word: this very line may be anywhere
};

// The name of a file or directory below the home, relative to it: name is absolute, or begins with a dot.
// "" for the home itself. nullopt: it is outside, or has a part "..".
std::optional<std::string_view> path_below_home(std::string_view name, std::string_view home);

struct Dotfile {
  std::vector<DotfileInstruction> instructions;
  // Why the rest of the file was not taken: a sentence with its enhanced code, always a temporary failure. It
  // stands where the next instruction would, so an earlier program's exit code 99 still stops before it.
  std::optional<std::string> problem;
};

// forward_only: the file's execute bit is set, and program, mbox and maildir lines are a problem; so they are
// after "+list". Other problems: a blank first line (an empty text counts: the caller puts the default
// delivery in its place), a forward line without an address, a NUL byte, and what `confinement` forbids
// (null: nothing).
Dotfile parse_dotfile(std::string_view text, bool forward_only, const Confinement* confinement = nullptr);

}  // namespace hato

// Program lines of one of our own programs, which runs nothing else, and its arguments. qmail-local starts it
// without a shell, and even a dot-file below control/dotdir may have them. dot-qmail(5)
//
//   |bouncesaying 'TEXT'
//   |qmail-vacation ARGUMENT ...
//
// The line is written so that a shell would read it in the same way: words separated by blanks, of the
// characters A-Z a-z 0-9 _ @ % + = : , . / -, of '…' (anything but ' between them) and of \' for a single ',
// joined at will. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

// The program's name and its arguments. command: what stands behind the "|". nullopt: it is no such line.
// bouncesaying has just one argument, since a second would be a program.
std::optional<std::vector<std::string>> parse_suite_command(std::string_view command);

// TEXT, when that is what stands behind the "|": |bouncesaying 'TEXT'.
std::optional<std::string> bounce_words(std::string_view command);

// The command that is parsed to these words. They must have neither LF nor NUL in them, as no line can.
std::string suite_command(const std::vector<std::string>& words);

}  // namespace hato

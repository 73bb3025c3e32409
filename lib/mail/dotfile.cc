#include "lib/mail/dotfile.h"

#include "lib/mail/suite_command.h"

namespace hato {

namespace {

using Kind = DotfileInstruction::Kind;

std::string_view without_trailing_blanks(std::string_view line) {
  const std::size_t last = line.find_last_not_of(" \t");
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

DotfileInstruction classify(std::string_view line) {
  if (line.empty()) return {Kind::comment, line};
  switch (line.front()) {
    case '#':
      return {Kind::comment, line};
    case '|':
      return {Kind::program, line.substr(1)};
    case '.':
    case '/':
      return {line.back() == '/' ? Kind::maildir : Kind::mbox, line};
    case '+':
      return {line == "+list" ? Kind::list : Kind::reserved, line};
    case '&':
      return {Kind::forward, line.substr(1)};
    default:
      return {Kind::forward, line};
  }
}

std::optional<std::string> problem_with(const DotfileInstruction& instruction, bool forward_only,
                                        std::size_t line_number) {
  if (instruction.text.find('\0') != std::string_view::npos)
    return "Uh-oh: line " + std::to_string(line_number) + " of .qmail file has a NUL byte. (#4.2.1)";
  switch (instruction.kind) {
    case Kind::comment:
      if (line_number == 1 && instruction.text.empty())
        return "Uh-oh: first line of .qmail file is blank. (#4.2.1)";
      return std::nullopt;
    case Kind::mbox:
    case Kind::maildir:
      if (forward_only) return "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)";
      return std::nullopt;
    case Kind::program:
      if (forward_only) return "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)";
      return std::nullopt;
    case Kind::forward:
      if (instruction.text.empty())
        return "Uh-oh: line " + std::to_string(line_number) +
               " of .qmail file forwards to nobody; write the address after the &. (#4.2.1)";
      return std::nullopt;
    case Kind::suite_program:
    case Kind::list:
    case Kind::reserved:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> forbidden(const DotfileInstruction& instruction, const Confinement& confinement,
                                     std::size_t line_number) {
  const std::string line = "Uh-oh: line " + std::to_string(line_number) + " of .qmail file ";
  const bool file = instruction.kind == Kind::mbox || instruction.kind == Kind::maildir;
  if (instruction.kind == Kind::program && !confinement.programs)
    return line + "runs a program, which is not allowed here. (#4.7.0)";
  if (file && instruction.text != confinement.mailbox && !path_below_home(instruction.text, confinement.home))
    return line + "names a file outside the home directory. (#4.7.0)";
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> path_below_home(std::string_view name, std::string_view home) {
  while (home.ends_with('/')) home.remove_suffix(1);
  std::string_view rest = name;
  if (name.starts_with('/')) {
    if (!name.starts_with(home) || name.substr(home.size()).substr(0, 1) != "/") return std::nullopt;
    rest = name.substr(home.size());
  }
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t end = std::min(rest.find('/', at), rest.size());
    if (rest.substr(at, end - at) == "..") return std::nullopt;
    at = end + 1;
  }
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  return rest;
}

Dotfile parse_dotfile(std::string_view text, bool forward_only, const Confinement* confinement) {
  Dotfile dotfile;
  std::size_t line_number = 0;
  do {
    const std::size_t end = text.find('\n');
    DotfileInstruction instruction = classify(without_trailing_blanks(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    dotfile.problem = problem_with(instruction, forward_only, ++line_number);
    if (!dotfile.problem && instruction.kind == Kind::program && parse_suite_command(instruction.text))
      instruction.kind = Kind::suite_program;
    if (!dotfile.problem && confinement != nullptr)
      dotfile.problem = forbidden(instruction, *confinement, line_number);
    if (dotfile.problem) break;
    if (instruction.kind == Kind::list) forward_only = true;
    dotfile.instructions.push_back(instruction);
  } while (!text.empty());
  return dotfile;
}

}  // namespace hato

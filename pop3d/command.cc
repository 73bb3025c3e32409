#include "pop3d/command.h"

#include <limits>

namespace hato {

namespace {

struct Name {
  std::string_view text;
  Verb verb;
};
constexpr Name names[] = {
    {"user", Verb::user}, {"pass", Verb::pass}, {"apop", Verb::apop}, {"quit", Verb::quit},
    {"noop", Verb::noop}, {"capa", Verb::capa}, {"stat", Verb::stat}, {"list", Verb::list},
    {"uidl", Verb::uidl}, {"dele", Verb::dele}, {"retr", Verb::retr}, {"rset", Verb::rset},
    {"last", Verb::last}, {"top", Verb::top},
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != lower_case[i]) return false;
  return true;
}

Verb verb_of(std::string_view word) {
  for (const Name& name : names)
    if (same_ignoring_case(word, name.text)) return name.verb;
  return Verb::unknown;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

}  // namespace

Pop3Command parse_pop3_command(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.find('\0') != std::string_view::npos) return {Verb::unknown, {}};
  const std::size_t blank = line.find(' ');
  const Verb verb = verb_of(line.substr(0, blank));
  if (blank == std::string_view::npos) return {verb, {}};
  std::string_view argument = line.substr(blank + 1);
  if (verb != Verb::pass) skip_blanks(argument);
  return {verb, argument};
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t number = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    const std::uint64_t digit = static_cast<std::uint64_t>(text[digits] - '0');
    number = number > (most - digit) / 10 ? most : number * 10 + digit;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  skip_blanks(text);
  return number;
}

}  // namespace hato

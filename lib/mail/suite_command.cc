#include "lib/mail/suite_command.h"

#include <algorithm>

namespace hato {

namespace {

constexpr std::string_view blanks = " \t";

bool is_plain(char c) {
  constexpr std::string_view marks = "_@%+=:,./-";
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         marks.find(c) != std::string_view::npos;
}

// The word that `rest` begins with, taken away from it; nullopt: it has something else in it.
std::optional<std::string> take_word(std::string_view& rest) {
  std::string word;
  while (!rest.empty() && blanks.find(rest[0]) == std::string_view::npos) {
    if (is_plain(rest[0])) {
      word += rest[0];
      rest.remove_prefix(1);
    } else if (rest.starts_with("\\'")) {
      word += '\'';
      rest.remove_prefix(2);
    } else if (rest[0] == '\'') {
      const std::size_t end = rest.find('\'', 1);
      if (end == std::string_view::npos) return std::nullopt;
      word += rest.substr(1, end - 1);
      rest.remove_prefix(end + 1);
    } else {
      return std::nullopt;
    }
  }
  return word;
}

bool may_be(const std::vector<std::string>& words) {
  if (words.empty()) return false;
  if (words[0] == "bouncesaying") return words.size() == 2;
  return words[0] == "qmail-vacation";
}

std::string quoted(std::string_view word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return std::string(word);
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'')
      text += "'\\''";
    else
      text += c;
  }
  return text + "'";
}

}  // namespace

std::optional<std::vector<std::string>> parse_suite_command(std::string_view command) {
  if (command.find('\0') != std::string_view::npos || command.find('\n') != std::string_view::npos)
    return std::nullopt;
  std::vector<std::string> words;
  while (true) {
    command.remove_prefix(std::min(command.find_first_not_of(blanks), command.size()));
    if (command.empty()) break;
    std::optional<std::string> word = take_word(command);
    if (!word) return std::nullopt;
    words.push_back(*std::move(word));
  }
  if (!may_be(words)) return std::nullopt;
  return words;
}

std::optional<std::string> bounce_words(std::string_view command) {
  const std::optional<std::vector<std::string>> words = parse_suite_command(command);
  if (!words || words->front() != "bouncesaying") return std::nullopt;
  return words->back();
}

std::string suite_command(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) {
    if (!command.empty()) command += ' ';
    command += quoted(word);
  }
  return command;
}

}  // namespace hato

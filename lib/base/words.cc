#include "lib/base/words.h"

#include <algorithm>

namespace hato {

std::optional<std::string_view> next_word(std::string_view& rest) {
  constexpr std::string_view blanks = " \t";
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  if (rest.empty()) return std::nullopt;
  const std::string_view word = rest.substr(0, rest.find_first_of(blanks));
  rest.remove_prefix(word.size());
  return word;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (const std::optional<std::string_view> word = next_word(text)) words.emplace_back(*word);
  return words;
}

}  // namespace hato

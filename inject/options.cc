#include "inject/options.h"

namespace hato {

Options::Options(int argc, char** argv, std::string_view letters) : letters_(letters) {
  for (int i = 1; i < argc; ++i) words_.emplace_back(argv[i]);
}

std::optional<Option> Options::next() {
  if (word_ == words_.size()) return std::nullopt;
  const std::string& word = words_[word_];
  if (at_ == 0) {
    if (word == "--") {
      ++word_;
      return std::nullopt;
    }
    if (word.size() < 2 || word.front() != '-') return std::nullopt;
    at_ = 1;
  }
  Option option{word[at_++], {}};
  const std::size_t known = option.letter == ':' ? std::string_view::npos : letters_.find(option.letter);
  const bool takes_value = known != std::string_view::npos && letters_.substr(known + 1).starts_with(':');
  const bool word_ended = at_ == word.size();
  if (known == std::string_view::npos) option.letter = '?';
  if (takes_value || word_ended) {
    ++word_;
    const std::size_t from = at_;
    at_ = 0;
    if (!takes_value) return option;
    if (!word_ended)
      option.value = word.substr(from);
    else if (word_ < words_.size())
      option.value = words_[word_++];
    else
      option.letter = '?';
  }
  return option;
}

std::vector<std::string> Options::operands() const {
  return {words_.begin() + static_cast<std::ptrdiff_t>(word_), words_.end()};
}

}  // namespace hato

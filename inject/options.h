// Options of a command line, read as getopt(3) does, but without its globals and without reordering: the
// first word that is no option ends them, and so does "--".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct Option {
  char letter;  // '?': not one of the known, or its value is missing
  std::string value;
};

class Options {
 public:
  // letters: "ab:" are -a and -b VALUE, attached or as the next word.
  Options(int argc, char** argv, std::string_view letters);
  std::optional<Option> next();
  // What follows the options.
  std::vector<std::string> operands() const;

 private:
  std::vector<std::string> words_;
  std::string_view letters_;
  std::size_t word_ = 0;
  std::size_t at_ = 0;  // in words_[word_]; 0: its beginning
};

}  // namespace hato

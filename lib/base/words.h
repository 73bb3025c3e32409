// Words of a line: what stands between blanks, which are SP and TAB.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

// Takes the next word off the front of `rest`, with the blanks before it. Nothing when there is none any
// more.
std::optional<std::string_view> next_word(std::string_view& rest);

std::vector<std::string> split_words(std::string_view text);

}  // namespace hato

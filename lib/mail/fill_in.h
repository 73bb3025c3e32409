// Places in a text, {NAME}, and what is put there. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace hato {

using FillIns = std::map<std::string_view, std::string>;

// Fills in {NAME}; other braces stay. Nothing that was filled in is looked at again.
std::string filled_in(std::string_view text, const FillIns& values);

}  // namespace hato

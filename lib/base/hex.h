// Octets as hexadecimal digits in lower case, two for each.
#pragma once

#include <string>
#include <string_view>

namespace hato {

std::string to_hex(std::string_view octets);

}  // namespace hato

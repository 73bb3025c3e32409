// Base64, RFC 4648 section 4. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hato {

// Without line ends.
std::string to_base64(std::string_view bytes);

// nullopt: a character outside the alphabet, or padding that is missing or in the wrong place. Blanks, tabs
// and line ends between are skipped (RFC 2045 section 6.8, RFC 7468 section 3).
std::optional<std::string> from_base64(std::string_view text);

}  // namespace hato

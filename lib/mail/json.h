// Text as a JSON string (RFC 8259). Pure.
#pragma once

#include <string>
#include <string_view>

namespace hato {

// In quotes, controls, quotes and backslashes escaped; bytes that are not UTF-8 become U+FFFD each, because
// JSON text is UTF-8 and addresses need not be.
std::string json_string(std::string_view text);

}  // namespace hato

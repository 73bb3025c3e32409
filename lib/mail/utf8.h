// UTF-8 (RFC 3629): shortest form only, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hato {

// The character that begins at text[at], and `at` moved behind it; invalid_utf8 (and `at` moved by one byte)
// when no well-formed character begins there. at < text.size().
inline constexpr char32_t invalid_utf8 = 0xffffffff;
char32_t next_utf8(std::string_view text, std::size_t& at);

// Appends c (at most U+10FFFF).
void append_utf8(std::string& text, char32_t c);

bool is_utf8(std::string_view text);
bool is_ascii(std::string_view text);

}  // namespace hato

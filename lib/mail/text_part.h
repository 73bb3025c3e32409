// Text of ours in a message: RFC 2045, RFC 2047. Pure; UTF-8 with LF line ends.
#pragma once

#include <cstddef>
#include <string>

namespace hato {

constexpr std::size_t longest_message_line = 998;  // RFC 5322 2.1.1, without its end

// The Content- fields of a part of this type, an empty line and its text, in quoted-printable where it is not
// plain 7-bit text. Ends with an LF.
std::string text_part(const std::string& content_type, const std::string& text);

// A field's text with what is not ASCII as encoded words, its ASCII words at the start left alone. One line
// in, folded lines out.
std::string header_words(const std::string& utf8);

}  // namespace hato

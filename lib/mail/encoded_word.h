// Names in header fields: ASCII as RFC 5322 quoted strings and comments, other text as RFC 2047 encoded
// words.
#pragma once

#include <string>
#include <string_view>

namespace hato {

// UTF-8 text as encoded words in base64, each of at most 75 characters, folded between them; characters are
// never split (RFC 2047 2 and 5).
std::string encoded_words(std::string_view utf8);

// Any text as encoded words of the same form: UTF-8, or, where it is not that, with the charset unknown-8bit
// of RFC 1428, in pieces of bytes.
std::string encoded_text(std::string_view text);

// Is it ISO-2022-JP (RFC 1468) and not plain ASCII: text between ESC $ B (or @) and ESC ( B (or J), in ASCII
// at its end, with no other control character?
bool is_iso2022_jp(std::string_view text);

// A display name before <address>: ASCII in quotes, UTF-8 and ISO-2022-JP as encoded words, other bytes in
// quotes as they are. Control characters become spaces.
std::string display_name(std::string_view name);

// The inside of a comment: parentheses and backslashes escaped, UTF-8 and ISO-2022-JP as encoded words.
std::string comment_text(std::string_view text);

}  // namespace hato

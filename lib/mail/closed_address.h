// A closed address: mail for it bounces with words of its owner's, and nothing else becomes of it
// (qmail-dot(8), refuse). qmail-rcptd says them at RCPT, so that qmail-local needs not bounce. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lib/mail/dotfile.h"

namespace hato {

// The words with which qmail-local bounces every message, whatever is in it, having done nothing before: the
// first line of the file that is a program, a mbox or a maildir is |bouncesaying 'WORDS' (forwards come last,
// so that none is made). nullopt: it may do something else.
std::optional<std::string> closing_words(const Dotfile& dotfile);

inline constexpr std::size_t max_closed_text = 450;  // bytes of the words that are said
inline constexpr std::string_view closed_by_default = "sorry, this address takes no mail";

// "550 5.7.1 WORDS (#5.7.1)": what an SMTP server says, one line of printable ASCII and at most 500 bytes, so
// that it fits RFC 5321 4.5.3.1.5 (512) with its line end. Control characters are blanks, blanks at the ends
// are left out, and what is longer is cut. Without SMTPUTF8 a reply is ASCII (RFC 6531 3.7.4.2) and whose
// question it is is not known, so in the place of words with any other byte, or none, it has
// closed_by_default.
std::string closed_reply(std::string_view words);

}  // namespace hato

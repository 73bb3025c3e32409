// Quoted-printable (RFC 2045 6.7) of text.
#pragma once

#include <string>
#include <string_view>

namespace hato {

// `text` has LF line ends, and so has the result; its lines have at most 76 characters, all of them printable
// ASCII, none ends in a blank, and none is a dot alone or begins with "From ". A CR is written as =0D.
std::string quoted_printable(std::string_view text);

}  // namespace hato

// Domain names as they stand in addresses and control files.
//
// A name is bytes: ASCII, or UTF-8 with U-labels (RFC 5890). The canonical form, in which two spellings of
// one domain are the same bytes, is ASCII in lower case with A-labels ("xn--…", Punycode, RFC 3492).
//
// Written here instead of linking libidn2 (which brings libunistring, more than 1.5 MB of tables): of UTS
// 46's mapping we do what people type: lower case for Latin, Greek and Cyrillic, full-width ASCII
// (U+FF01…FF5E) to ASCII, and the ideographic full stops U+3002, U+FF0E, U+FF61 to ".". No Unicode
// normalisation: a decomposed name (か followed by a combining mark) stays another name, and only DNS says
// whether a name exists.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

inline constexpr std::size_t max_label = 63;    // octets, RFC 1035 2.3.4
inline constexpr std::size_t max_domain = 255;  // octets, RFC 5321 4.5.3.1.2

// ASCII lower case; every other byte as it is.
std::string to_lower_ascii(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII only

// The canonical form; one trailing dot is dropped. An address literal ("[192.0.2.1]") comes back in lower
// case. nullopt: not UTF-8, a control character or space, an empty label, a label of more than 63 or a name
// of more than 255 octets in this form.
std::optional<std::string> to_ascii_domain(std::string_view domain);

// The canonical form, or the name in ASCII lower case where it has none: for keys of tables.
std::string canonical_domain(std::string_view domain);

// Do both name the same domain, in whatever case and U- or A-label form?
bool same_domain(std::string_view a, std::string_view b);

// One label as Punycode without the "xn--" (RFC 3492 6.3). The label must be UTF-8.
std::optional<std::string> punycode(std::string_view label);

}  // namespace hato

// A header field with bytes above 127 as one of ASCII, for servers without 8BITMIME (RFC 6152 section 3):
// text as encoded words (RFC 2047), parameters as RFC 2231 has them. Pure.
#pragma once

#include <optional>
#include <string>

#include "lib/mail/header.h"

namespace hato {

// The whole field with its line ends (LF). Bytes that are not UTF-8 get the charset unknown-8bit (RFC 1428).
//   Subject, Comments, X-… and all unknown fields   encoded words
//   From, To, Reply-To and other address lists      display names and comments as encoded words, domains with
//                                                   A-labels
//   Content-Type, Content-Disposition               name*=charset''%XX
//   Received, Message-ID and what programs read     '?' for each such byte
// nullopt: an address with such bytes in its local part, which has no form in ASCII, or an address list that
// cannot be read.
std::optional<std::string> seven_bit_field(const HeaderField& field);

}  // namespace hato

// MD5 for the two protocols that are made of it, APOP (RFC 1939) and CRAM-MD5 (RFC 2195): digests as 32 hex
// digits in lower case. Not for anything new.
#pragma once

#include <string>
#include <string_view>

namespace hato {

std::string md5_hex(std::string_view first, std::string_view second);   // of both, one after the other
std::string hmac_md5_hex(std::string_view key, std::string_view text);  // RFC 2104

}  // namespace hato

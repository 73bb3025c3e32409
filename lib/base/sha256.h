// SHA-256 (FIPS 180-4).
#pragma once

#include <string>
#include <string_view>

namespace hato {

// The 32 octets of the digest of both, one after the other.
std::string sha256(std::string_view first, std::string_view second = {});

}  // namespace hato

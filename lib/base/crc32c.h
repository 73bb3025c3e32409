// CRC-32C (Castagnoli, RFC 3720 appendix B.4), in hardware where the CPU has it.
#pragma once

#include <cstdint>
#include <string_view>

namespace hato {

// crc of `before` followed by data: crc32c(b, crc32c(a)) == crc32c(ab). The CRC of nothing is 0.
std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0);

}  // namespace hato

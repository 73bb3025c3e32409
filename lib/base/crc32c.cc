#include "lib/base/crc32c.h"

#include <array>
#include <cstring>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hato {

namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t n = 0; n < 256; ++n) {
    std::uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = (c & 1U) != 0 ? 0x82f63b78U ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> table = make_table();

std::uint32_t in_software(std::string_view data, std::uint32_t crc) {
  for (const char c : data) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
bool has_instruction() {
  unsigned a, b, c, d;
  __cpuid(1, a, b, c, d);  // every x86-64 has this leaf
  return (c & bit_SSE4_2) != 0;
}

__attribute__((target("sse4.2"))) std::uint32_t in_hardware(std::string_view data, std::uint32_t crc) {
  std::uint64_t wide = crc;
  while (data.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data(), sizeof word);
    wide = __builtin_ia32_crc32di(wide, word);
    data.remove_prefix(8);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (const char c : data) crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(c));
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t before) {
#if defined(__x86_64__)
  // Asked at the first call: __builtin_cpu_supports asks some ten questions before main, in every program
  // that this is linked into, and on a virtual machine each goes through the hypervisor.
  static const bool hardware = has_instruction();
  if (hardware) return ~in_hardware(data, ~before);
#endif
  return ~in_software(data, ~before);
}

}  // namespace hato

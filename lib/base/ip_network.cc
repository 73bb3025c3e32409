#include "lib/base/ip_network.h"

namespace hato {

namespace {
constexpr unsigned all_bits = 128, v4_bits = 32;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpNetwork(*address, all_bits);
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  unsigned bits = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    bits = bits * 10 + static_cast<unsigned>(c - '0');
  }
  // An IPv4 address in its mapped form has the length of IPv6's.
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  if (bits > (v4 ? v4_bits : all_bits)) return std::nullopt;
  return IpNetwork(*address, v4 ? bits + all_bits - v4_bits : bits);
}

bool IpNetwork::contains(const IpAddress& address) const {
  const unsigned whole = bits_ / 8, rest = bits_ % 8;
  for (unsigned i = 0; i < whole; ++i)
    if (address.bytes()[i] != address_.bytes()[i]) return false;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8 - rest) & 0xffU;
  return ((address.bytes()[whole] ^ address_.bytes()[whole]) & mask) == 0;
}

}  // namespace hato

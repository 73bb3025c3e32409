// A block of IP addresses: "192.0.2.0/24", "2001:db8::/32", or one address. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "lib/base/ip.h"

namespace hato {

class IpNetwork {
 public:
  // nullopt: no address, or a length that its family does not have. Bits behind the length do not count.
  static std::optional<IpNetwork> parse(std::string_view text);
  bool contains(const IpAddress& address) const;

 private:
  IpNetwork(const IpAddress& address, unsigned bits) : address_(address), bits_(bits) {}
  IpAddress address_;
  unsigned bits_;  // of the 16 bytes
};

}  // namespace hato

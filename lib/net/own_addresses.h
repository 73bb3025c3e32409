// The IP addresses of this host: mail whose best exchanger is one of them would come straight back, and
// box@[them] is for localiphost.
#pragma once

#include <vector>

#include "lib/base/ip.h"

namespace hato {

class OwnAddresses {
 public:
  // Asks the kernel (RTM_GETADDR over netlink) for the addresses of all interfaces. Call before sealing.
  // Throws SystemError.
  static OwnAddresses of_this_host();
  OwnAddresses() = default;
  explicit OwnAddresses(std::vector<IpAddress> addresses) : addresses_(std::move(addresses)) {}

  void add(const IpAddress& address) { addresses_.push_back(address); }
  // Also every loopback address and 0.0.0.0 and ::, which connect to this host too.
  bool has(const IpAddress& address) const;

 private:
  std::vector<IpAddress> addresses_;
};

}  // namespace hato

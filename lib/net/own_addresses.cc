#include "lib/net/own_addresses.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/fd.h"

namespace hato {

namespace {

// NLMSG_GOODSIZE: a page, 8 KiB at most. The kernel fills no more into one datagram unless asked by a larger
// space.
constexpr std::size_t answer_size = 8U << 10;

// The addresses in one datagram; false when it holds the end of the dump.
bool take_addresses(const char* data, std::size_t size, std::vector<IpAddress>& addresses) {
  int left = static_cast<int>(size);
  for (const auto* header = reinterpret_cast<const nlmsghdr*>(data); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == NLMSG_DONE) return false;
    if (header->nlmsg_type == NLMSG_ERROR) throw TempError("the kernel does not tell this host's addresses");
    if (header->nlmsg_type != RTM_NEWADDR) continue;
    const auto* interface = static_cast<const ifaddrmsg*>(NLMSG_DATA(header));
    int attributes = static_cast<int>(IFA_PAYLOAD(header));
    for (const auto* attribute = IFA_RTA(interface); RTA_OK(attribute, attributes);
         attribute = RTA_NEXT(attribute, attributes)) {
      // On a point-to-point link IFA_ADDRESS is the other end.
      if (interface->ifa_family == AF_INET && attribute->rta_type == IFA_LOCAL)
        addresses.push_back(IpAddress::v4(RTA_DATA(attribute)));
      if (interface->ifa_family == AF_INET6 &&
          (attribute->rta_type == IFA_ADDRESS || attribute->rta_type == IFA_LOCAL))
        addresses.push_back(IpAddress::v6(RTA_DATA(attribute)));
    }
  }
  return true;
}

}  // namespace

OwnAddresses OwnAddresses::of_this_host() {
  const Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) throw_errno("netlink socket");
  struct {
    nlmsghdr header;
    ifaddrmsg body;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.body);
  request.header.nlmsg_type = RTM_GETADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.ifa_family = AF_UNSPEC;
  if (send(fd.get(), &request, sizeof request, 0) < 0)
    throw_errno("ask the kernel for this host's addresses");
  std::vector<IpAddress> addresses;
  alignas(nlmsghdr) char space[answer_size];
  for (;;) {
    const ssize_t n = recv(fd.get(), space, sizeof space, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("this host's addresses");
    if (n == 0 || !take_addresses(space, static_cast<std::size_t>(n), addresses)) break;
  }
  return OwnAddresses(std::move(addresses));
}

bool OwnAddresses::has(const IpAddress& address) const {
  return address.is_loopback() || address.is_unspecified() ||
         std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

}  // namespace hato

// control/bindroutes: from which of this host's addresses a sender's mail goes out. qmail-remote(8). Pure.
//
//   domain:192.0.2.1                    mail from that domain leaves from this address
//   domain:192.0.2.1 [2001:db8::1]      ... one of each family, IPv6 in brackets
//   .domain:..., :...                   as in smtproutes; the null sender has only the last
//   domain:                             the kernel chooses, as without a line
//
// A family that a line does not name is not used at all, so that no mail leaves from an address that was not
// meant; 0.0.0.0 or [::] leaves the choice to the kernel.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/ip.h"

namespace hato {

struct SourceAddresses {
  std::optional<IpAddress> v4, v6;  // unspecified: the kernel chooses
  bool given = false;               // false: the kernel chooses for both
  std::string problem;              // not empty: why this line cannot be used

  // May we connect to an address of this family?
  bool allows(const IpAddress& to) const { return !given || (to.is_v4() ? v4 : v6).has_value(); }
  // What to bind before connecting to it; nullopt: nothing.
  std::optional<IpAddress> source_for(const IpAddress& to) const;

  friend bool operator==(const SourceAddresses&, const SourceAddresses&) = default;
};

// What stands behind "domain:" of a line.
SourceAddresses parse_bind_route(std::string_view text);

// For the envelope sender (raw) among the lines of the file.
SourceAddresses find_bind_route(const std::vector<std::string>& lines, std::string_view sender);

// A line of control/helohosts: the name to say hello with, by the address the connection goes out from:
//   192.0.2.1:mail1.example    [2001:db8::1]:mail1.example
struct HeloHost {
  IpAddress address;
  std::string name;  // not checked
};
// nullopt: not an address and a colon.
std::optional<HeloHost> parse_helo_host(std::string_view line);

}  // namespace hato

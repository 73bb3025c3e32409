// What the control files say to qmail-remote: read once, before sealing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/net/dns.h"
#include "lib/net/smtproutes.h"
#include "lib/store/control.h"
#include "remote/bindroutes.h"

namespace hato {

struct RemoteSettings {
  std::string helo_host;                 // control/helohost, else me
  std::vector<HeloHost> helo_hosts;      // control/helohosts: by address
  std::int64_t timeout_connect = 60;     // seconds, for one address
  std::int64_t timeout_remote = 1200;    // seconds, for one reply or one write
  std::optional<SmtpRoute> route;        // of this host
  std::vector<std::string> bind_routes;  // the lines of control/bindroutes
  ResolverConfig resolver;               // servers empty when this route needs no DNS

  // Throws TempError: a file that cannot be read, no name to say hello with, a route that cannot be used.
  static RemoteSettings read(const Control& control, std::string_view host);
  // Where mail of this envelope sender (raw) goes out from. Throws TempError for a line that cannot be used.
  SourceAddresses sources_for(std::string_view sender) const;
};

}  // namespace hato

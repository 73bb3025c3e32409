// ETRN (RFC 1985): what a client may ask for, and who may (control/etrnhosts). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/ip_network.h"
#include "lib/net/client.h"

namespace hato::smtpd {

// The argument of ETRN as the domain of a flush (lib/net/send_request.h): a domain, or "@domain" for it and
// all below it, which becomes ".domain". nullopt for anything else: "#queue" names nothing here.
std::optional<std::string> etrn_domain(std::string_view argument);

// Lines "domain: who who ...". domain: that domain alone; ".domain": it and everything below it. who: an IP
// address, a network such as 192.0.2.0/24, "relay" (who may send anywhere, $RELAYCLIENT), or "any".
class EtrnPolicy {
 public:
  // False: a line that is not understood, which then allows nothing.
  bool add(std::string_view line);
  // domain: as etrn_domain() gives it.
  bool allows(std::string_view domain, const Client& client) const;

 private:
  struct Row {
    std::string domain;
    bool relay = false, any = false;
    std::vector<IpNetwork> networks;
  };
  std::vector<Row> rows_;
};

}  // namespace hato::smtpd

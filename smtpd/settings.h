// What one session goes by: its control files and its environment, read once at the start (qmail-smtpd(8),
// tcp-environ(5)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/mail/message_meter.h"
#include "lib/net/client.h"
#include "lib/net/relay_policy.h"
#include "lib/store/control.h"
#include "lib/store/databytes.h"
#include "smtpd/etrn.h"
#include "smtpd/policy.h"
#include "smtpd/reply.h"

namespace hato::smtpd {

// control/smtplimits has lines NAME: NUMBER with these names; 0 is no limit for the errors, commands and
// hops.
struct Limits {
  std::size_t recipients = 1000;   // taken for one message; the next gets 452
  std::size_t commandline = 2000;  // octets of a command line without its CR LF (at least 512)
  std::size_t errors = 20;         // 5xx replies since the last accepted message; the next is 421 and the end
  std::size_t commands = 10000;    // commands other than MAIL, RCPT, DATA, BDAT and QUIT, likewise
  std::size_t hops = default_hops;  // so many Received and Delivered-To fields are a loop
  bool helo = true;                 // MAIL needs HELO or EHLO before it (0: not, as with qmail)
  // False: an unknown name or no number.
  bool set(std::string_view line);
};

struct Settings {
  std::string greeting;         // smtpgreeting or me
  std::string localiphost;      // localiphost or me; empty: literals stay
  std::int64_t timeout = 1200;  // seconds, timeoutsmtpd
  Databytes databytes;
  Limits limits;
  std::optional<SenderList> badmailfrom;
  RecipientPolicy policy;
  std::optional<EtrnPolicy> etrn;  // none: ETRN is not offered
  std::vector<PolicyServer> policy_servers;
  bool policy_fail_goes_on = false;
  Replies replies;
  OwnAddresses own_addresses;  // for localiphost
  Client client;
  std::vector<std::string> complaints;  // lines of control files that were not understood, for the log
};
// Throws TempError when a control file cannot be read or there is no greeting.
Settings read_settings(const Control& control);

// The addresses of this host's interfaces, and that which the client came in by ($TCPLOCALIP).
OwnAddresses own_addresses();

}  // namespace hato::smtpd

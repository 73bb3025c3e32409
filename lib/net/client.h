// The client of a server that tcpserver, tcp-env or systemd started, as the environment tells of it
// (tcp-environ(5)).
#pragma once

#include <optional>
#include <string>

#include "lib/base/ip.h"
#include "lib/net/gate.h"

namespace hato {

// IP addresses are text; IPv4 never in its mapped form.
// TCPREMOTEINFO of a session that sendmail -bs begins (qmail's word).
inline constexpr std::string_view sendmail_session = "sendmail-bs";

struct Client {
  std::string ip = "unknown";     // TCPREMOTEIP or TCP6REMOTEIP
  std::string host = "unknown";   // TCPREMOTEHOST or TCP6REMOTEHOST
  std::string info;               // TCPREMOTEINFO or TCP6REMOTEINFO
  std::string port;               // TCPREMOTEPORT; "" not told
  std::string local = "unknown";  // our own name to it: TCPLOCALHOST, else TCPLOCALIP, or the same with TCP6
  std::string local_ip, local_port;  // TCPLOCALIP, TCPLOCALPORT; "" not told
  std::optional<std::string>
      relay;  // RELAYCLIENT: this client may send anywhere; its value goes behind recipients

  std::string script;  // SCRIPT_FILENAME: only where sendmail -bs began the session for a local program

  // What the gate is told of him: ip, host, info, local and script.
  GateOrigin origin() const;
};
Client client_from_environment();

// The address of ours that the client came in by ($TCPLOCALIP or $TCP6LOCALIP); nullopt: not told.
std::optional<IpAddress> local_address_from_environment();

}  // namespace hato

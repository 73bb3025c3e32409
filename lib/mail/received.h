// The Received fields that the suite writes, in qmail's forms, so that scripts for qmail read them.
//
// Every name that came from outside is made safe: letters, digits and . @ % + / = : - [ ] _ stay, any other
// byte becomes '?' (so no line end, parenthesis or space can forge a field).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

std::string received_safe(std::string_view text);

// One SMTP transaction (RFC 5321 4.4):
//   Received: from HOST (HELO NAME) (INFO@IP)
//     by ME with ESMTP id TRACE; 23 Nov 2026 10:00:00 -0000
struct SmtpReceived {
  std::string remote_host;          // $TCPREMOTEHOST; empty: "unknown"
  std::optional<std::string> helo;  // what HELO or EHLO said; left out when it is remote_host in any case
  std::string remote_info;          // $TCPREMOTEINFO or the login; empty: left out with its @
  std::string remote_ip;            // $TCPREMOTEIP; empty: "unknown"
  std::string local_host;           // $TCPLOCALHOST or control/me
  std::string protocol;             // SMTP, ESMTP, ESMTPS, ESMTPA, UTF8SMTP … (RFC 3848, RFC 6531)
  std::string trace;                // trace id; empty: no "id" clause
};
std::string received_field(const SmtpReceived& received, std::int64_t seconds);  // with its final LF

// A message that came through the gate (qmail-queue(8)):
//   Received: (qmail PID invoked locally) id TRACE; 23 Nov 2026 10:00:00 -0000
// `invoker` is "locally", "by uid 1000", "from network", "by alias" or "for bounce"; see the makers below.
std::string received_field(std::int64_t pid, std::string_view invoker, std::string_view trace,
                           std::int64_t seconds);
std::string invoked_by_uid(std::uint64_t uid);
inline constexpr std::string_view invoked_locally = "locally";
inline constexpr std::string_view invoked_from_network = "from network";
inline constexpr std::string_view invoked_by_alias = "by alias";
inline constexpr std::string_view invoked_for_bounce = "for bounce";

}  // namespace hato

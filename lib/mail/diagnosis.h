// What a delivery's report says, taken apart for the machine part of a notice (RFC 3464 2.3). Pure.
//
// Reports are qmail-remote's and qmail-local's sentences: "192.0.2.1 does not like recipient.\nRemote host
// said: 550-5.7.1 No.\n550 5.7.1 See http://…\nGiving up on 192.0.2.1.\n". The lines of a server's answer
// each begin with its code, so no server can say anything outside of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/notice.h"

namespace hato {

struct Diagnosis {
  std::string status;      // "5.7.1" (RFC 3463), of the action's class; 4.4.7: given up by queuelifetime
  std::string remote_mta;  // "192.0.2.1", "2001:db8::1"; empty: no server was reached
  bool smtp = false;       // `lines` are a server's answer
  std::vector<std::string> lines;  // of the answer, code included; else of the report; none empty
};

// The last line of the report of a recipient who is given up because of queuelifetime.
inline constexpr std::string_view queued_too_long =
    "I'm not going to try again; this message has been in the queue too long.\n";

// What a recipient who wanted a report of success hears, from the report K of his delivery (RFC 3461 5.2,
// 6.2). nullopt: nothing from us, because the request went on with the message: to a server that offers DSN,
// or to the one address that a dot-file forwards to.
std::optional<Action> success_action(bool remote, std::string_view report);

Diagnosis diagnose(const NoticeRecipient& recipient);

}  // namespace hato

// What a notice to a message's sender is made of, whatever its form: lib/mail/dsn_report.h (RFC 3464) or
// lib/mail/qsbmf.h (qmail's).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/mail/dsn.h"

namespace hato {

enum class NoticeKind {
  failure,        // to the sender: some recipients will never get it
  double_bounce,  // to the postmaster: a message from the null sender, a bounce as a rule, failed
  refused,        // to the postmaster: the failure notice to the sender was refused for good
  delay,          // to the sender: some recipients have not got it yet
  success,        // to the sender, who asked for it
};

// RFC 3464 2.3.3.
enum class Action { failed, delayed, delivered, relayed, expanded };
const char* action_name(Action action);

struct NoticeRecipient {
  std::string address;  // raw, as the sender may see it
  std::string report;   // what its delivery said, LF line ends
  Action action = Action::failed;
  bool remote = true;  // by qmail-remote: its report may have a server's answer
  std::optional<OriginalRecipient> original{};
};

struct NoticeFacts {
  NoticeKind kind = NoticeKind::failure;
  std::string from;          // raw address of the notice's From field: bouncefrom@bouncehost
  std::string host;          // bouncehost
  std::string reporter;      // control/me
  std::string to;            // raw address that gets the notice
  std::string sender;        // the message's envelope sender, as it was
  std::string trace;         // the message's trace id
  std::string id;            // its queue id
  std::string envid;         // ENVID
  std::int64_t date = 0;     // now; seconds since 1970, as all three
  std::int64_t arrival = 0;  // the message's
  std::int64_t until = 0;    // of a delay: when it will be given up
  std::vector<NoticeRecipient> recipients;
  std::string refusal;    // of NoticeKind::refused: why
  bool smtputf8 = false;  // the message came with SMTPUTF8
};

// A message with this field is a double bounce of ours: outside it has the null sender like any bounce, and
// if it comes back, none is made of it again. So two hosts that forward their postmaster's mail to one
// another come to an end.
inline constexpr char double_bounce_field[] = "X-Double-Bounce";

}  // namespace hato

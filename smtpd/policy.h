// What control/policy says, and what becomes of the answers of policy servers (qmail-policy(5)).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/net/policy.h"
#include "lib/net/policy_channel.h"

namespace hato::smtpd {

// A line "SOCKET WORD...": the Unix socket, absolute or below HOME/gate/policy; the states at which it is
// asked; "mx" or "submission" when it is asked for that kind of client only; fail=451 or fail=go, when
// another than control/policyfail counts; seconds=N, how long one answer may take; context=TEXT, what it gets
// as policy_context.
struct PolicyServer {
  std::string name;  // SOCKET as written, for the log
  std::string path;  // absolute
  bool states[std::size(policy_states)] = {};
  bool mx = true, submission = true;
  std::optional<bool> goes_on;  // when it cannot be asked
  std::int64_t seconds = 30;    // 1 to 300
  std::string context;

  // nullopt: not understood.
  static std::optional<PolicyServer> parse(std::string_view line, const std::string& directory);
};

// control/policyfail: "go" or "451" (the default, also for anything else).
bool policy_fail_goes_on(std::string_view line);

// What all servers together say about one command.
struct PolicyOutcome {
  int code = 0;                    // the reply that refuses the command; 0: go on
  std::string status;              // of the refusal
  std::string text;                // likewise; "" the usual one
  std::string by;                  // likewise: who says so
  bool cannot_ask = false;         // the refusal is that a server could not be asked
  bool discard = false;            // take the message, and let nobody have it
  std::string fields;              // to be put in front of the message, with LF line ends
  std::vector<std::string> notes;  // lines for the log
};

// Collects the answers of one command's servers in their order. Pure.
class PolicyVerdict {
 public:
  explicit PolicyVerdict(PolicyState state) : state_(state) {}
  // False: nobody else is to be asked.
  bool take(const PolicyServer& server, const PolicyAnswer& answer);
  bool cannot_ask(const PolicyServer& server, bool goes_on);
  PolicyOutcome finish();

 private:
  bool refuse(const PolicyServer& server, int code, const std::string& status, const std::string& text);
  void note(const PolicyServer& server, const std::string& what);

  PolicyState state_;
  PolicyOutcome outcome_;
  bool softened_ = false;  // defer_if_reject
  std::optional<PolicyOutcome> if_permit_;
};

// Asks the servers.
class PolicyDesk {
 public:
  // gate: the directory that will be the root of this process; "" when its root stays.
  PolicyDesk(std::vector<PolicyServer> servers, bool fail_goes_on, const std::string& gate);

  // Before the root directory changes: connects to the servers that are out of reach afterwards. Returns
  // lines for the log.
  std::vector<std::string> connect_those_outside();

  // attributes: of the request, without policy_context and the empty line. Throws nothing.
  PolicyOutcome ask(PolicyState state, bool submission, const std::string& attributes);

 private:
  struct Channel {
    PolicyServer server;
    PolicyChannel channel;
    bool outside;
    Deadline rest = Deadline::never();  // after a failure the server is let alone for a while
    bool resting = false;
  };
  std::vector<Channel> channels_;
  bool fail_goes_on_;
};

}  // namespace hato::smtpd

// The Postfix policy delegation protocol, for both sides (Postfix's SMTPD_POLICY_README; the actions are
// those of its access(5)). Pure.
//
// A request is lines NAME=VALUE and an empty line, the answer one line action=ACTION and an empty line; LF
// line ends. The connection stays for further requests, one after the other. A server in trouble closes it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hato {

constexpr std::size_t policy_request_limit = 32768;  // bytes, with the empty line
constexpr std::size_t policy_answer_limit = 8192;    // likewise
constexpr std::size_t policy_value_limit = 2000;     // bytes of one value; what is longer is cut off

enum class PolicyState { connect, mail, rcpt, data, end_of_message };
inline constexpr PolicyState policy_states[] = {PolicyState::connect, PolicyState::mail, PolicyState::rcpt,
                                                PolicyState::data, PolicyState::end_of_message};
std::string_view policy_state_name(PolicyState state);                 // "END-OF-MESSAGE"
std::optional<PolicyState> parse_policy_state(std::string_view word);  // any case

// Puts "NAME=VALUE\n" behind `request`; NUL and LF in the value become '?'.
void append_policy_attribute(std::string& request, std::string_view name, std::string_view value);

// The bytes of the first request or answer in `bytes`, its empty line included; nullopt: not complete yet.
std::optional<std::size_t> policy_message_size(std::string_view bytes);

struct PolicyRequest {
  std::vector<std::pair<std::string, std::string>> attributes;  // in their order
  // The first value of that name; "" when it was not sent, which means the same.
  std::string_view value(std::string_view name) const;
};
// A whole request, with its empty line or without. nullopt: a line without '=' or with nothing before it, or
// no attribute "request".
std::optional<PolicyRequest> parse_policy_request(std::string_view text);

enum class PolicyAction {
  dunno,            // DUNNO: go on
  ok,               // OK, and any number that is not 4NN or 5NN: go on, and ask nobody else
  reject,           // 4NN, 5NN or REJECT (554)
  defer,            // DEFER: 450
  defer_if_permit,  // refuse with 450 if nobody refuses for good
  defer_if_reject,  // go on, but a refusal for good by somebody asked later becomes 450
  discard,          // take the message, and let nobody have it
  prepend,          // put the field in `text` in front of the message
  info,             // go on; `text` is for the log
  warn,             // likewise
  bcc,
  filter,
  hold,
  redirect,  // what Postfix's queue can do
  unknown,   // anything else: a restriction of Postfix by name, or nonsense
};

struct PolicyAnswer {
  PolicyAction action = PolicyAction::unknown;
  int code = 0;        // reject, defer, defer_if_permit: the SMTP code
  std::string status;  // the same three: the enhanced code; "5.7.1" and "4.7.1" when the server named none
  std::string text;    // what stands behind the action, without the enhanced code; "" nothing
  bool operator==(const PolicyAnswer&) const = default;
};
// A whole answer, with its empty line or without. nullopt: no line action=...
std::optional<PolicyAnswer> parse_policy_answer(std::string_view text);

// "action=ACTION\n\n" for a server; control bytes become '?'.
std::string encode_policy_answer(std::string_view action);

}  // namespace hato

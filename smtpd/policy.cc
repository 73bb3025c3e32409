#include "smtpd/policy.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/words.h"
#include "lib/mail/domain.h"
#include "lib/mail/header.h"

namespace hato::smtpd {

namespace {

constexpr std::size_t text_in_log = 200;
constexpr std::int64_t longest_answer = 300;        // seconds
constexpr std::int64_t seconds_to_connect = 5;      // before the session begins
constexpr std::int64_t seconds_after_failure = 60;  // so that a dead server does not hold up every recipient

std::optional<std::int64_t> small_number(std::string_view digits) {
  if (digits.empty() || digits.size() > 4) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool set_word(PolicyServer& server, std::string_view word) {
  if (const auto state = parse_policy_state(word))
    return server.states[static_cast<std::size_t>(*state)] = true;
  if (word == "mx") return server.submission = false, server.mx;
  if (word == "submission") return server.mx = false, server.submission;
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = word.substr(0, equals), value = word.substr(equals + 1);
  if (name == "fail" && (value == "451" || value == "go")) {
    server.goes_on = value == "go";
  } else if (name == "seconds") {
    const auto seconds = small_number(value);
    if (!seconds || *seconds < 1 || *seconds > longest_answer) return false;
    server.seconds = *seconds;
  } else if (name == "context") {
    server.context = value;
  } else {
    return false;
  }
  return true;
}

// One header field on one line, that can stand before a message.
bool is_field(std::string_view text) {
  return starts_field(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) < 32 && c != '\t') || c == 127;
         });
}

const char* word_of(PolicyAction action) {
  switch (action) {
    case PolicyAction::info:
      return "INFO";
    case PolicyAction::warn:
      return "WARN";
    case PolicyAction::bcc:
      return "BCC";
    case PolicyAction::filter:
      return "FILTER";
    case PolicyAction::hold:
      return "HOLD";
    case PolicyAction::redirect:
      return "REDIRECT";
    default:
      return "that";
  }
}

}  // namespace

std::optional<PolicyServer> PolicyServer::parse(std::string_view line, const std::string& directory) {
  PolicyServer server;
  bool first = true;
  while (const std::optional<std::string_view> word = next_word(line)) {
    if (first)
      server.name = *word;
    else if (!set_word(server, *word))
      return std::nullopt;
    first = false;
  }
  if (std::none_of(std::begin(server.states), std::end(server.states), [](bool asked) { return asked; }))
    return std::nullopt;
  server.path = server.name.starts_with('/') ? server.name : directory + "/" + server.name;
  return server;
}

bool policy_fail_goes_on(std::string_view line) {
  return line == "go";
}

void PolicyVerdict::note(const PolicyServer& server, const std::string& what) {
  outcome_.notes.push_back("policy " + server.name + ": " + what);
}

bool PolicyVerdict::refuse(const PolicyServer& server, int code, const std::string& status,
                           const std::string& text) {
  outcome_.code = code;
  outcome_.status = status;
  outcome_.text = text;
  outcome_.by = server.name;
  if (softened_ && code >= 500) {
    outcome_.code = 450;
    if (!outcome_.status.empty()) outcome_.status[0] = '4';
  }
  return false;
}

bool PolicyVerdict::take(const PolicyServer& server, const PolicyAnswer& answer) {
  switch (answer.action) {
    case PolicyAction::dunno:
      return true;
    case PolicyAction::ok:
      return false;
    case PolicyAction::reject:
    case PolicyAction::defer:
      return refuse(server, answer.code, answer.status, answer.text);
    case PolicyAction::defer_if_permit:
      if (!if_permit_) {
        if_permit_.emplace();
        if_permit_->code = answer.code;
        if_permit_->status = answer.status;
        if_permit_->text = answer.text;
        if_permit_->by = server.name;
      }
      return true;
    case PolicyAction::defer_if_reject:
      softened_ = true;
      return true;
    case PolicyAction::discard:
      outcome_.discard = true;
      note(server, "DISCARD " + log_safe(answer.text, text_in_log));
      return false;
    case PolicyAction::prepend:
      if (state_ == PolicyState::end_of_message)
        note(server, "PREPEND comes too late at END-OF-MESSAGE: " + log_safe(answer.text, text_in_log));
      else if (!is_field(answer.text))
        note(server, "PREPEND of what is no header field: " + log_safe(answer.text, text_in_log));
      else
        outcome_.fields += answer.text + "\n";
      return true;
    case PolicyAction::info:
    case PolicyAction::warn:
    case PolicyAction::bcc:
      note(server, std::string(word_of(answer.action)) +
                       (answer.action == PolicyAction::bcc ? " cannot be done here: " : ": ") +
                       log_safe(answer.text, text_in_log));
      return true;
    case PolicyAction::filter:
    case PolicyAction::hold:
    case PolicyAction::redirect:
      note(server, std::string(word_of(answer.action)) +
                       " cannot be done here: " + log_safe(answer.text, text_in_log));
      break;
    case PolicyAction::unknown:
      note(server, "an action that is not known: " + log_safe(answer.text, text_in_log));
      break;
  }
  // It must not go the ordinary way: somebody has to correct the server, and the client keeps the message
  // till then.
  outcome_.cannot_ask = true;
  return refuse(server, 451, "4.3.5", "");
}

bool PolicyVerdict::cannot_ask(const PolicyServer& server, bool goes_on) {
  if (goes_on) return true;
  outcome_.cannot_ask = true;
  return refuse(server, 451, "4.3.0", "");
}

PolicyOutcome PolicyVerdict::finish() {
  if (outcome_.code == 0 && !outcome_.discard && if_permit_) {
    if_permit_->notes = std::move(outcome_.notes);
    if_permit_->fields = std::move(outcome_.fields);
    return *std::move(if_permit_);
  }
  return std::move(outcome_);
}

PolicyDesk::PolicyDesk(std::vector<PolicyServer> servers, bool fail_goes_on, const std::string& gate)
    : fail_goes_on_(fail_goes_on) {
  for (PolicyServer& server : servers) {
    const bool inside = !gate.empty() && server.path.starts_with(gate + "/");
    std::string path = inside ? server.path.substr(gate.size()) : server.path;
    channels_.push_back({std::move(server), PolicyChannel(std::move(path)), !gate.empty() && !inside});
  }
}

std::vector<std::string> PolicyDesk::connect_those_outside() {
  std::vector<std::string> failures;
  for (Channel& one : channels_) {
    if (!one.outside) continue;
    try {
      one.channel.connect(seconds_to_connect);
    } catch (const Error& e) {
      failures.push_back("policy " + one.server.name + ": " + e.text());
    }
    one.channel.cut_off();
  }
  return failures;
}

PolicyOutcome PolicyDesk::ask(PolicyState state, bool submission, const std::string& attributes) {
  PolicyVerdict verdict(state);
  std::vector<std::string> failures;
  for (Channel& one : channels_) {
    const PolicyServer& server = one.server;
    if (!server.states[static_cast<std::size_t>(state)] || !(submission ? server.submission : server.mx))
      continue;
    bool more;
    try {
      if (one.resting && !one.rest.passed()) throw TempError("");
      one.resting = false;
      std::string request = attributes;
      append_policy_attribute(request, "policy_context", server.context);
      more = verdict.take(server, one.channel.ask(request, server.seconds));
    } catch (const Error& e) {
      if (!one.resting) {
        failures.push_back("policy " + server.name + ": " + e.text());
        one.resting = true;
        one.rest = Deadline::in_seconds(seconds_after_failure);
      }
      more = verdict.cannot_ask(server, server.goes_on.value_or(fail_goes_on_));
    }
    if (!more) break;
  }
  PolicyOutcome outcome = verdict.finish();
  outcome.notes.insert(outcome.notes.begin(), failures.begin(), failures.end());
  return outcome;
}

}  // namespace hato::smtpd

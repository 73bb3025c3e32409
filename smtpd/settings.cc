#include "smtpd/settings.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/net/gate.h"

namespace hato::smtpd {

namespace {

constexpr std::int64_t longest_wait = 1'000'000'000;  // seconds: 30 years are as good as for ever
constexpr std::size_t smallest_command_line = 512;    // RFC 5321 4.5.3.1.4

}  // namespace

bool Limits::set(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  std::string_view digits = line.substr(colon + 1);
  digits.remove_prefix(std::min(digits.find_first_not_of(" \t"), digits.size()));
  if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string_view::npos)
    return false;
  const std::size_t value = leading_number(digits);
  if (name == "recipients")
    recipients = std::max<std::size_t>(value, 1);
  else if (name == "commandline")
    commandline = std::max(value, smallest_command_line);
  else if (name == "errors")
    errors = value;
  else if (name == "commands")
    commands = value;
  else if (name == "hops")
    hops = value;
  else if (name == "helo")
    helo = value != 0;
  else
    return false;
  return true;
}

OwnAddresses own_addresses() {
  OwnAddresses ours;
  try {
    ours = OwnAddresses::of_this_host();
  } catch (const TempError&) {  // no netlink here
  }
  if (const std::optional<IpAddress> ip = local_address_from_environment()) ours.add(*ip);
  return ours;
}

Settings read_settings(const Control& control) {
  Settings settings;
  const std::optional<std::string> me = control.line("me");
  settings.greeting = control.line("smtpgreeting").value_or(me.value_or(""));
  if (settings.greeting.empty())
    throw TempError(control.path("smtpgreeting") +
                    " and me: missing or empty; one must hold this host's name");
  settings.localiphost = control.line("localiphost").value_or(me.value_or(""));
  settings.timeout =
      std::clamp<std::int64_t>(control.number("timeoutsmtpd", settings.timeout), 1, longest_wait);

  settings.policy = read_recipient_policy(control);
  if (const auto text = control.text("badmailfrom")) settings.badmailfrom.emplace(*text);

  settings.databytes = read_databytes(control);
  if (const auto lines = control.lines("smtplimits"))
    for (const std::string& line : *lines)
      if (!settings.limits.set(line))
        settings.complaints.push_back("control/smtplimits: not understood: " + line);
  if (const auto lines = control.lines("smtpreplies"))
    for (const std::string& line : *lines)
      if (!settings.replies.override_with(line))
        settings.complaints.push_back("control/smtpreplies: not understood: " + line);

  if (const auto lines = control.lines("etrnhosts")) {
    settings.etrn.emplace();
    for (const std::string& line : *lines)
      if (!settings.etrn->add(line))
        settings.complaints.push_back("control/etrnhosts: not understood: " + line);
  }

  if (const auto lines = control.lines("policy")) {
    for (const std::string& line : *lines) {
      if (auto server = PolicyServer::parse(line, gate_directory() + "/policy"))
        settings.policy_servers.push_back(*std::move(server));
      else
        settings.complaints.push_back("control/policy: not understood: " + line);
    }
    settings.policy_fail_goes_on = policy_fail_goes_on(control.line("policyfail").value_or(""));
  }

  settings.client = client_from_environment();
  settings.own_addresses = own_addresses();
  return settings;
}

}  // namespace hato::smtpd

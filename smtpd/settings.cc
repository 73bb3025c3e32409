#include "smtpd/settings.h"

#include <algorithm>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/mail/domain.h"

namespace hato::smtpd {

namespace {

constexpr std::int64_t longest_wait = 1'000'000'000;  // seconds: 30 years are as good as for ever
constexpr std::size_t smallest_command_line = 512;    // RFC 5321 4.5.3.1.4

// Decimal digits at the start of the text; 0 without any, as qmail reads $DATABYTES.
std::uint64_t leading_number(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    const std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return UINT64_MAX;
    value = value * 10 + digit;
  }
  return value;
}

// qmail's variable, or ucspi-tcp6's of the same name with TCP6, which goes before it when PROTO says TCP6.
std::optional<std::string> connection_variable(const char* name, bool six) {
  const std::string other = std::string("TCP6") + (name + 3);
  std::optional<std::string> value = env(six ? other.c_str() : name);
  return value ? value : env(six ? name : other.c_str());
}

std::string plain_ip(std::string ip) {
  if (equal_ignoring_case(std::string_view(ip).substr(0, 7), "::ffff:") && ip.find('.') != std::string::npos)
    ip.erase(0, 7);
  return ip;
}

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

Client client_from_environment() {
  const bool six = env_or("PROTO", "") == "TCP6";
  Client client;
  if (const auto ip = connection_variable("TCPREMOTEIP", six)) client.ip = plain_ip(*ip);
  if (const auto host = connection_variable("TCPREMOTEHOST", six)) client.host = *host;
  if (const auto info = connection_variable("TCPREMOTEINFO", six)) client.info = *info;
  if (const auto name = connection_variable("TCPLOCALHOST", six))
    client.local = *name;
  else if (const auto ip = connection_variable("TCPLOCALIP", six))
    client.local = plain_ip(*ip);
  client.relay = env("RELAYCLIENT");
  return client;
}

OwnAddresses own_addresses() {
  OwnAddresses ours;
  try {
    ours = OwnAddresses::of_this_host();
  } catch (const TempError&) {  // no netlink here
  }
  if (const auto text = connection_variable("TCPLOCALIP", env_or("PROTO", "") == "TCP6"))
    if (const std::optional<IpAddress> ip = IpAddress::parse(plain_ip(*text))) ours.add(*ip);
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

  if (const auto text = control.text("rcpthosts")) {
    settings.policy.rcpthosts.emplace(*text);
    settings.policy.morercpthosts = Cdb::open(control.path("morercpthosts.cdb"));
  }
  if (const auto text = control.text("badmailfrom")) settings.badmailfrom.emplace(*text);

  if (const auto own = env("DATABYTES")) {
    settings.databytes = leading_number(*own);
    settings.databytes_from_environment = true;
  } else {
    settings.databytes = static_cast<std::uint64_t>(control.number("databytes", 0));
  }
  if (const auto lines = control.lines("smtplimits"))
    for (const std::string& line : *lines)
      if (!settings.limits.set(line))
        settings.complaints.push_back("control/smtplimits: not understood: " + line);
  if (const auto lines = control.lines("smtpreplies"))
    for (const std::string& line : *lines)
      if (!settings.replies.override_with(line))
        settings.complaints.push_back("control/smtpreplies: not understood: " + line);

  settings.client = client_from_environment();
  settings.own_addresses = own_addresses();
  return settings;
}

}  // namespace hato::smtpd

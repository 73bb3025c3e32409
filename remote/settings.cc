#include "remote/settings.h"

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

namespace {

constexpr std::int64_t max_timeout = 86400;

std::int64_t seconds(const Control& control, const std::string& name, std::int64_t fallback) {
  return std::clamp<std::int64_t>(control.number(name, fallback), 1, max_timeout);
}

bool is_hello_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; });
}

}  // namespace

RemoteSettings RemoteSettings::read(const Control& control, std::string_view host) {
  RemoteSettings settings;
  settings.helo_host = control.line_or_me("helohost", "");
  if (!is_hello_name(settings.helo_host))
    throw TempError("control/helohost and control/me name no host that I could say hello with");
  settings.timeout_connect = seconds(control, "timeoutconnect", settings.timeout_connect);
  settings.timeout_remote = seconds(control, "timeoutremote", settings.timeout_remote);
  if (const auto lines = control.lines("smtproutes")) settings.route = find_smtp_route(*lines, host);
  if (settings.route && !settings.route->problem.empty())
    throw TempError("control/smtproutes, the line for " + std::string(host) + ": " + settings.route->problem);
  const bool needs_dns =
      !settings.route || settings.route->relay.empty() || !IpAddress::parse(settings.route->relay);
  if (needs_dns) settings.resolver = ResolverConfig::configured(control);
  return settings;
}

}  // namespace hato

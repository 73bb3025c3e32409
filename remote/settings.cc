#include "remote/settings.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"
#include "remote/report.h"

namespace hato {

namespace {

constexpr std::int64_t max_timeout = 86400;

std::int64_t seconds(const Control& control, const std::string& name, std::int64_t fallback) {
  return std::clamp<std::int64_t>(control.number(name, fallback), 1, max_timeout);
}

bool is_hello_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; });
}

// As EHLO can say it: a name in UTF-8 with A-labels.
std::string hello_name(const std::string& name) {
  return is_ascii(name) ? name : to_ascii_domain(name).value_or(name);
}

std::vector<HeloHost> read_helo_hosts(const Control& control) {
  std::vector<HeloHost> hosts;
  for (const std::string& line : control.lines("helohosts").value_or(std::vector<std::string>())) {
    std::optional<HeloHost> host = parse_helo_host(line);
    if (host) host->name = hello_name(host->name);
    if (!host || !is_hello_name(host->name))
      throw TempError("control/helohosts: \"" + line + "\" is not an address, a colon and a host's name");
    hosts.push_back(std::move(*host));
  }
  return hosts;
}

}  // namespace

RemoteSettings RemoteSettings::read(const Control& control, std::string_view host) {
  RemoteSettings settings;
  settings.helo_host = hello_name(control.line_or_me("helohost", ""));
  if (!is_hello_name(settings.helo_host))
    throw TempError("control/helohost and control/me name no host that I could say hello with");
  settings.helo_hosts = read_helo_hosts(control);
  if (auto lines = control.lines("bindroutes")) settings.bind_routes = std::move(*lines);
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

SourceAddresses RemoteSettings::sources_for(std::string_view sender) const {
  SourceAddresses sources = find_bind_route(bind_routes, sender);
  if (!sources.problem.empty())
    throw TempError("control/bindroutes, the line for the sender " + printable(sender) + ": " +
                    sources.problem);
  return sources;
}

}  // namespace hato

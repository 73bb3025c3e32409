#include "remote/settings.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/words.h"
#include "lib/mail/domain.h"
#include "lib/mail/domain_line.h"
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

// A line of control/tlshosts: words about TLS, and about nothing else.
TlsWords tls_host_words(const Control& control, std::string_view host) {
  const auto lines = control.lines("tlshosts");
  if (!lines) return {};
  const std::optional<std::string_view> line = find_domain_line(*lines, host);
  if (!line) return {};
  TlsWords words = parse_tls_words(split_words(*line));
  if (words.problem.empty() && (words.on_connect || words.auth))
    words.problem = "\"tls\" and \"auth\" are words for control/smtproutes";
  if (!words.problem.empty())
    throw TempError("control/tlshosts, the line for " + std::string(host) + ": " + words.problem);
  return words;
}

TlsSettings tls_settings(const Control& control, std::string_view host,
                         const std::optional<SmtpRoute>& route) {
  TlsSettings tls;
  const TlsWords of_route = route ? route->tls : TlsWords();
  const TlsWords words = of_route.level ? of_route : tls_host_words(control, host);
  tls.level = words.level.value_or(TlsLevel::may);
  tls.names = words.names;
  tls.on_connect = of_route.on_connect;
  const bool no_clear_text = of_route.on_connect || (of_route.auth && !of_route.auth_in_clear);
  if (no_clear_text && tls.level < TlsLevel::encrypt) tls.level = TlsLevel::encrypt;
  tls.domain = route && !route->relay.empty() ? route->relay : std::string(host);
  const bool to_exchangers = !route || (route->relay.empty() && !route->qmtp);
  tls.ask_domain =
      to_exchangers && !words.level && !host.starts_with('[') && control.number("mtasts", 0) != 0;
  const bool by_name = !route || route->relay.empty() ? !IpAddress::parse(host) && !host.starts_with('[')
                                                      : !IpAddress::parse(route->relay);
  tls.ask_dns = by_name && !words.level && !(route && route->qmtp) && control.number("dane", 0) != 0;
  if (tls.level != TlsLevel::none) tls.trust = TrustStore({control.path("tlsca"), TrustStore::system_bundle});
  return tls;
}

}  // namespace

void TlsSettings::take_policy(StsPolicy policy) {
  sts = std::move(policy);
  if (sts.mode == StsMode::enforce) level = TlsLevel::verify;
}

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
  settings.tls = tls_settings(control, host, settings.route);
  const bool needs_dns =
      !settings.route || settings.route->relay.empty() || !IpAddress::parse(settings.route->relay);
  if (needs_dns) settings.resolver = ResolverConfig::configured(control);
  settings.resolver.dnssec = settings.tls.ask_dns;
  return settings;
}

SourceAddresses RemoteSettings::sources_for(std::string_view sender) const {
  SourceAddresses sources = find_bind_route(bind_routes, sender);
  if (!sources.problem.empty())
    throw TempError("control/bindroutes, the line for the sender " + printable(sender) + ": " +
                    sources.problem);
  return sources;
}

std::optional<SmtpLogin> RemoteSettings::login_for(const Control& control, std::string_view sender) const {
  if (!route || !route->tls.auth) return std::nullopt;
  return read_smtp_login(control.path("smtpauth"), *route->tls.auth, sender);
}

}  // namespace hato

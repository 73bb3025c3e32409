#include "lib/net/smtproutes.h"

#include <algorithm>
#include <charconv>

#include "lib/base/ip.h"
#include "lib/base/words.h"
#include "lib/mail/domain_line.h"

namespace hato {

namespace {

constexpr std::string_view blanks = " \t";

bool is_host_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || static_cast<unsigned char>(c) > 127;
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

SmtpRoute parse_smtp_route(std::string_view text) {
  SmtpRoute route;
  const std::size_t end = std::min(text.find_first_of(blanks), text.size());
  route.words = split_words(text.substr(end));
  std::vector<std::string> words = route.words;
  route.qmtp = std::erase(words, "qmtp") > 0;
  route.tls = parse_tls_words(words);
  if (route.tls.on_connect) route.port = smtps_port;
  text = text.substr(0, end);

  const std::size_t bracket = text.starts_with('[') ? text.find(']') : text.npos;
  const std::size_t colon = text.find(':', bracket == text.npos ? 0 : bracket);
  std::string_view relay = text.substr(0, colon);
  if (colon != text.npos) {
    const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
    if (port)
      route.port = *port;
    else
      route.problem = "\"" + std::string(text.substr(colon + 1)) + "\" is not a port";
  }
  if (relay.starts_with('[')) {
    const std::optional<IpAddress> address = IpAddress::parse_literal(relay);
    if (address)
      route.relay = address->text();
    else
      route.problem = "\"" + std::string(relay) + "\" is not an address";
  } else if (is_host_name(relay)) {
    route.relay = relay;
  } else {
    route.problem = "\"" + std::string(relay) + "\" is not a host";
  }
  if (route.problem.empty()) route.problem = route.tls.problem;
  if (route.problem.empty() && route.qmtp && !(route.tls == TlsWords()))
    route.problem = "\"qmtp\" goes with no other word: QMTP has neither TLS nor logins";
  if (route.problem.empty() && route.tls.auth && route.relay.empty())
    route.problem = "\"auth\" needs a relay: a login is not for every mail exchanger";
  if (route.qmtp && colon == text.npos) route.port = qmtp_port;
  return route;
}

std::optional<SmtpRoute> find_smtp_route(const std::vector<std::string>& lines, std::string_view host) {
  const std::optional<std::string_view> line = find_domain_line(lines, host);
  if (!line) return std::nullopt;
  return parse_smtp_route(*line);
}

}  // namespace hato

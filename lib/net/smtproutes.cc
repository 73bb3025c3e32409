#include "lib/net/smtproutes.h"

#include <algorithm>
#include <charconv>

#include "lib/base/ip.h"
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
  std::string_view rest = text.substr(end);
  text = text.substr(0, end);
  for (;;) {
    const std::size_t start = rest.find_first_not_of(blanks);
    if (start == rest.npos) break;
    rest.remove_prefix(start);
    const std::string_view word = rest.substr(0, rest.find_first_of(blanks));
    route.words.emplace_back(word);
    rest.remove_prefix(word.size());
  }

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
  for (const std::string& word : route.words) {
    if (word == "qmtp")
      route.qmtp = true;
    else if (route.problem.empty())
      route.problem = "I don't know the word \"" + word + "\"";
  }
  if (route.qmtp && colon == text.npos) route.port = qmtp_port;
  return route;
}

std::optional<SmtpRoute> find_smtp_route(const std::vector<std::string>& lines, std::string_view host) {
  const std::optional<std::string_view> line = find_domain_line(lines, host);
  if (!line) return std::nullopt;
  return parse_smtp_route(*line);
}

}  // namespace hato

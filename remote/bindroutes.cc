#include "remote/bindroutes.h"

#include "lib/base/words.h"
#include "lib/mail/address.h"
#include "lib/mail/domain_line.h"

namespace hato {

namespace {

// "192.0.2.1", "[2001:db8::1]"; a bare IPv6 address cannot be mistaken for anything else.
std::optional<IpAddress> parse_address(std::string_view word) {
  return word.starts_with('[') ? IpAddress::parse_literal(word) : IpAddress::parse(word);
}

}  // namespace

std::optional<IpAddress> SourceAddresses::source_for(const IpAddress& to) const {
  const std::optional<IpAddress>& source = to.is_v4() ? v4 : v6;
  return source && !source->is_unspecified() ? source : std::nullopt;
}

SourceAddresses parse_bind_route(std::string_view text) {
  SourceAddresses sources;
  while (const std::optional<std::string_view> next = next_word(text)) {
    const std::string_view word = *next;
    const std::optional<IpAddress> address = parse_address(word);
    if (!address) {
      sources.problem = "\"" + std::string(word) + "\" is not an address";
      continue;
    }
    std::optional<IpAddress>& family = address->is_v4() ? sources.v4 : sources.v6;
    if (family) sources.problem = "\"" + std::string(word) + "\" is a second address of its family";
    family = address;
    sources.given = true;
  }
  return sources;
}

SourceAddresses find_bind_route(const std::vector<std::string>& lines, std::string_view sender) {
  const std::optional<std::string_view> line = find_domain_line(lines, domain_part(sender));
  return line ? parse_bind_route(*line) : SourceAddresses();
}

std::optional<HeloHost> parse_helo_host(std::string_view line) {
  const std::size_t bracket = line.starts_with('[') ? line.find(']') : 0;
  if (bracket == line.npos) return std::nullopt;
  const std::size_t colon = line.find(':', bracket);
  const std::optional<IpAddress> address = parse_address(line.substr(0, colon));
  if (colon == line.npos || !address) return std::nullopt;
  return HeloHost{*address, std::string(line.substr(colon + 1))};
}

}  // namespace hato

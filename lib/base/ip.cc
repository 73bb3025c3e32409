#include "lib/base/ip.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <algorithm>

namespace hato {

namespace {

constexpr std::uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

IpAddress IpAddress::v4(const void* four_bytes) {
  IpAddress ip;
  memcpy(ip.bytes_.data(), mapped_prefix, sizeof mapped_prefix);
  memcpy(ip.bytes_.data() + 12, four_bytes, 4);
  return ip;
}

IpAddress IpAddress::v6(const void* sixteen_bytes) {
  IpAddress ip;
  memcpy(ip.bytes_.data(), sixteen_bytes, 16);
  return ip;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char space[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof space || text.find('\0') != text.npos) return std::nullopt;
  text.copy(space, text.size());  // not memcpy: an empty view may point nowhere
  space[text.size()] = 0;
  std::uint8_t bytes[16];
  if (inet_pton(AF_INET, space, bytes) == 1) return v4(bytes);
  if (inet_pton(AF_INET6, space, bytes) == 1) return v6(bytes);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse_literal(std::string_view text) {
  constexpr std::string_view tag = "IPv6:";
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  if (text.size() < tag.size() || strncasecmp(text.data(), tag.data(), tag.size()) != 0) return parse(text);
  text.remove_prefix(tag.size());
  if (text.find(':') == text.npos) return std::nullopt;  // [IPv6:192.0.2.1] is neither
  return parse(text);
}

bool IpAddress::is_v4() const {
  return std::equal(std::begin(mapped_prefix), std::end(mapped_prefix), bytes_.begin());
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[12] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_unspecified() const {
  const auto from = is_v4() ? bytes_.begin() + 12 : bytes_.begin();
  return std::all_of(from, bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

std::string IpAddress::text() const {
  char space[INET6_ADDRSTRLEN];
  if (is_v4()) return inet_ntop(AF_INET, v4_bytes(), space, sizeof space);
  return inet_ntop(AF_INET6, bytes_.data(), space, sizeof space);
}

std::string IpAddress::literal() const {
  return (is_v4() ? "[" : "[IPv6:") + text() + "]";
}

std::string IpAddress::with_port(unsigned port) const {
  return (is_v4() ? text() : "[" + text() + "]") + ":" + std::to_string(port);
}

}  // namespace hato

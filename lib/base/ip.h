// IP addresses of both families as one value.
//
// IPv4 is kept as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so an address that arrives in the mapped form
// and the same one in its own form are equal. No zones (fe80::1%eth0), no ports, no I/O.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

class IpAddress {
 public:
  // "192.0.2.1" or "2001:db8::1", nothing before or after it, no brackets.
  static std::optional<IpAddress> parse(std::string_view text);
  // An address literal with its brackets, RFC 5321 section 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]" (the
  // tag in any case); "[2001:db8::1]" without the tag is understood too.
  static std::optional<IpAddress> parse_literal(std::string_view text);
  static IpAddress v4(const void* four_bytes);  // network order
  static IpAddress v6(const void* sixteen_bytes);

  bool is_v4() const;
  bool is_loopback() const;     // 127.0.0.0/8, ::1
  bool is_unspecified() const;  // 0.0.0.0, ::
  std::string text() const;     // "192.0.2.1", "2001:db8::1"
  std::string literal() const;  // "[192.0.2.1]", "[IPv6:2001:db8::1]"
  // "192.0.2.1:25", "[2001:db8::1]:25": for texts that name a port.
  std::string with_port(unsigned port) const;
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }  // IPv4: mapped
  const std::uint8_t* v4_bytes() const { return bytes_.data() + 12; }   // only when is_v4()

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace hato

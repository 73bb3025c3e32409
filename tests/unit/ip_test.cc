#include "lib/base/ip.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("ip: addresses as text", "[ip]") {
  struct Row {
    const char* text;
    const char* printed;  // nullptr: no address
    const char* literal;
  };
  const Row rows[] = {
      {"192.0.2.1", "192.0.2.1", "[192.0.2.1]"},
      {"2001:db8::1", "2001:db8::1", "[IPv6:2001:db8::1]"},
      {"2001:DB8:0:0::1", "2001:db8::1", "[IPv6:2001:db8::1]"},
      {"::ffff:192.0.2.1", "192.0.2.1", "[192.0.2.1]"},  // RFC 4291 2.5.5.2: the same host
      {"::", "::", "[IPv6:::]"},
      {"", nullptr, nullptr},
      {"192.0.2", nullptr, nullptr},
      {"192.0.2.256", nullptr, nullptr},
      {"192.0.2.1 ", nullptr, nullptr},
      {"[192.0.2.1]", nullptr, nullptr},
      {"12345::", nullptr, nullptr},
      {"fe80::1%eth0", nullptr, nullptr},
      {"example.com", nullptr, nullptr},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto ip = IpAddress::parse(row.text);
    REQUIRE(ip.has_value() == (row.printed != nullptr));
    if (!ip) continue;
    CHECK(ip->text() == row.printed);
    CHECK(ip->literal() == row.literal);
    CHECK(IpAddress::parse_literal(row.literal) == ip);
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0x", 11)));
}

TEST_CASE("ip: literals", "[ip]") {
  struct Row {
    const char* literal;
    const char* printed;
  };
  const Row rows[] = {
      {"[192.0.2.1]", "192.0.2.1"},           // RFC 5321 4.1.3
      {"[IPv6:2001:db8::1]", "2001:db8::1"},  // RFC 5321 4.1.3
      {"[ipv6:2001:db8::1]", "2001:db8::1"},  // tags are not case-sensitive
      {"[2001:db8::1]", "2001:db8::1"},
      {"[IPv6:192.0.2.1]", nullptr},
      {"192.0.2.1", nullptr},
      {"[]", nullptr},
      {"[", nullptr},
      {"[x-tag:foo]", nullptr},
      {"[192.0.2.1", nullptr},
  };
  for (const Row& row : rows) {
    CAPTURE(row.literal);
    const auto ip = IpAddress::parse_literal(row.literal);
    REQUIRE(ip.has_value() == (row.printed != nullptr));
    if (ip) CHECK(ip->text() == row.printed);
  }
}

TEST_CASE("ip: what an address is", "[ip]") {
  CHECK(IpAddress::parse("127.0.0.1")->is_loopback());
  CHECK(IpAddress::parse("127.255.0.9")->is_loopback());
  CHECK(IpAddress::parse("::1")->is_loopback());
  CHECK(IpAddress::parse("::ffff:127.0.0.1")->is_loopback());
  CHECK_FALSE(IpAddress::parse("128.0.0.1")->is_loopback());
  CHECK_FALSE(IpAddress::parse("1::1")->is_loopback());
  CHECK(IpAddress::parse("0.0.0.0")->is_unspecified());
  CHECK(IpAddress::parse("::")->is_unspecified());
  CHECK_FALSE(IpAddress::parse("::1")->is_unspecified());
  CHECK(IpAddress::parse("::1")->with_port(25) == "[::1]:25");
  CHECK(IpAddress::parse("192.0.2.1")->with_port(25) == "192.0.2.1:25");
}

#include "lib/net/dns_message.h"

#include "lib/base/ip.h"
#include "lib/net/dns.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

std::string u16(unsigned n) {
  return {static_cast<char>(n >> 8), static_cast<char>(n)};
}

std::string header(unsigned flags, unsigned answers, unsigned authority = 0, unsigned additional = 0) {
  return u16(0x1234) + u16(flags) + u16(1) + u16(answers) + u16(authority) + u16(additional);
}

// The question is at offset 12, so that records can point there: "\xc0\x0c".
std::string question(const std::string& name, unsigned type) {
  return *encode_dns_name(name) + u16(type) + u16(1);
}

std::string record(const std::string& wire_name, unsigned type, const std::string& data, unsigned klass = 1) {
  return wire_name + u16(type) + u16(klass) + u16(0) + u16(60) + u16(static_cast<unsigned>(data.size())) +
         data;
}

const std::string pointer = "\xc0\x0c"s;
constexpr unsigned ok = 0x8180;

}  // namespace

TEST_CASE("dns names on the wire", "[dns]") {
  struct Row {
    std::string name;
    std::optional<std::string> wire;
  };
  const std::string label63(63, 'a');
  const std::string name253 = label63 + "." + label63 + "." + label63 + "." + std::string(61, 'b');
  const Row rows[] = {
      {"a.example", "\1a\7example\0"s},
      {"a.example.", "\1a\7example\0"s},  // RFC 1035 5.1: absolute
      {".", "\0"s},
      {"_25._tcp.mx", "\3_25\4_tcp\2mx\0"s},
      {"", std::nullopt},
      {"..", std::nullopt},
      {"a..b", std::nullopt},
      {".a", std::nullopt},
      {std::string(64, 'a'), std::nullopt},  // RFC 1035 2.3.4: label 63
      {name253 + "b", std::nullopt},         // RFC 1035 2.3.4: name 255 octets
      {"a b", std::nullopt},
      {"b\xc3\xbc"
       "cher",
       std::nullopt},
      {"a\\046b", std::nullopt},
      {"a\nb", std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(encode_dns_name(row.name) == row.wire);
  }
  CHECK(encode_dns_name(name253)->size() == 255);
}

TEST_CASE("dns query", "[dns]") {
  CHECK(*make_dns_query(0x1234, "a.b", dns_type::mx, DnsEdns::none) ==
        u16(0x1234) + u16(0x0120) + u16(1) + u16(0) + u16(0) + u16(0) + "\1a\1b\0"s + u16(15) + u16(1));
  // RFC 6891 6.1.2: root name, type 41, class is our size
  CHECK(*make_dns_query(0x1234, "a.b", dns_type::mx, DnsEdns::plain) ==
        u16(0x1234) + u16(0x0120) + u16(1) + u16(0) + u16(0) + u16(1) + "\1a\1b\0"s + u16(15) + u16(1) +
            "\0"s + u16(41) + u16(1232) + u16(0) + u16(0) + u16(0));
  // RFC 3225: the DO bit
  CHECK(*make_dns_query(0x1234, ".", dns_type::soa, DnsEdns::dnssec) ==
        u16(0x1234) + u16(0x0120) + u16(1) + u16(0) + u16(0) + u16(1) + "\0"s + u16(6) + u16(1) + "\0"s +
            u16(41) + u16(1232) + u16(0) + u16(0x8000) + u16(0));
  CHECK_FALSE(make_dns_query(1, "a..b", dns_type::a, DnsEdns::plain));
}

TEST_CASE("dns answer: records of every type we use", "[dns]") {
  const std::string packet = header(ok, 6) + question("Example.ORG", 15) +
                             record(pointer, 15, u16(10) + "\2mx"s + pointer) +
                             record(pointer, 1, "\xc0\x00\x02\x01"s) +
                             record(pointer, 28, "\x20\x01\x0d\xb8"s + std::string(11, 0) + "\1"s) +
                             record(pointer, 16, "\3abc\4d\xff\0f"s) + record(pointer, 5, "\5alias\0"s) +
                             record(pointer, 12, "\4h\0.\x80\0"s);
  const auto message = parse_dns_message(packet);
  REQUIRE(message);
  CHECK(message->id == 0x1234);
  CHECK(message->response);
  CHECK(message->recursion_available);
  CHECK_FALSE(message->authentic);
  CHECK(message->rcode == 0);
  CHECK(message->question == "example.org");
  CHECK(message->question_type == 15);
  REQUIRE(message->answers.size() == 6);
  CHECK(message->answers[0].owner == "example.org");
  CHECK(message->answers[0].preference == 10);
  CHECK(message->answers[0].target == "mx.example.org");
  CHECK(message->answers[0].ttl == 60);
  CHECK(IpAddress::v4(message->answers[1].data.data()).text() == "192.0.2.1");
  CHECK(IpAddress::v6(message->answers[2].data.data()).text() == "2001:db8::1");
  CHECK(message->answers[3].text == "abcd\xff\0f"s);
  CHECK(message->answers[4].target == "alias");
  CHECK(message->answers[5].target == "h\\000\\046\\128");
  CHECK_FALSE(encode_dns_name(message->answers[5].target));
}

TEST_CASE("dns answer: flags and sections", "[dns]") {
  const std::string soa = record(pointer, 6, std::string(22, 0));
  const std::string opt = "\0"s + u16(41) + u16(4096) + "\1\0"s + u16(0) + u16(0);  // extended rcode 1
  auto message = parse_dns_message(header(ok | 3, 0, 1) + question("a.b", 1) + soa);
  REQUIRE(message);
  CHECK(message->rcode == dns_rcode::no_name);
  CHECK(message->has_soa);
  CHECK(message->answers.empty());

  message = parse_dns_message(header(ok | 0x20, 0, 0, 1) + question("a.b", 1) + opt);
  REQUIRE(message);
  CHECK(message->authentic);
  CHECK(message->edns);
  CHECK(message->rcode == 16);  // BADVERS, RFC 6891 9: not "no error and no data"

  message = parse_dns_message(header(ok | 0x200, 5) + question("a.b", 1) + "cut off"s);
  REQUIRE(message);
  CHECK(message->truncated);
  CHECK(message->answers.empty());

  message = parse_dns_message(header(ok, 1) + question("a.b", 1) + record(pointer, 1, "abcdef", 3));
  REQUIRE(message);
  CHECK(message->answers.empty());  // class CHAOS is not ours

  message = parse_dns_message(header(ok, 1) + question(".", 15) + record("\0"s, 15, u16(0) + "\0"s));
  REQUIRE(message);
  CHECK(message->question == ".");
  CHECK(message->answers[0].target == ".");  // RFC 7505
}

TEST_CASE("dns answer: what is no message", "[dns]") {
  const std::string good =
      header(ok, 1) + question("a.b", 15) + record(pointer, 15, u16(1) + "\1m"s + pointer);
  REQUIRE(parse_dns_message(good));
  for (std::size_t n = 0; n < good.size(); ++n) {
    CAPTURE(n);
    CHECK_FALSE(parse_dns_message(good.substr(0, n)));
  }
  struct Row {
    const char* why;
    std::string packet;
  };
  const std::string q = question("a.b", 1);
  const Row rows[] = {
      {"two questions", u16(1) + u16(ok) + u16(2) + u16(0) + u16(0) + u16(0) + q + q},
      {"no question", u16(1) + u16(ok) + u16(0) + u16(0) + u16(0) + u16(0)},
      {"opcode 2", header(ok | 0x1000, 0) + q},
      {"question of class CHAOS", header(ok, 0) + *encode_dns_name("a.b") + u16(1) + u16(3)},
      {"name points at itself", header(ok, 1) + q + record("\xc0\x15"s, 1, "abcd")},
      {"name points forward", header(ok, 1) + q + record("\xc0\x30"s, 1, "abcd")},
      {"label type 01", header(ok, 1) + q + record("\x41x\0"s, 1, "abcd")},
      {"A of three bytes", header(ok, 1) + q + record(pointer, 1, "abc")},
      {"AAAA of four bytes", header(ok, 1) + q + record(pointer, 28, "abcd")},
      {"MX without name", header(ok, 1) + q + record(pointer, 15, u16(1))},
      {"MX with bytes left over", header(ok, 1) + q + record(pointer, 15, u16(1) + "\1m\0x"s)},
      {"CNAME that runs out of its record", header(ok, 1) + q + record(pointer, 5, "\5ab")},
      {"TXT string longer than the record", header(ok, 1) + q + record(pointer, 16, "\5ab")},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK_FALSE(parse_dns_message(row.packet));
  }
  // a name over 255 octets, put together by pointers
  std::string packet = header(ok, 4) + question(std::string(63, 'a'), 1);
  std::string at = pointer;
  for (int i = 0; i < 4; ++i) {
    const std::size_t here = packet.size();
    packet += record("\x3f"s + std::string(63, 'b') + at, 1, "abcd");
    at = u16(0xc000U | static_cast<unsigned>(here));
  }
  CHECK_FALSE(parse_dns_message(packet));
}

TEST_CASE("dns reverse names", "[dns]") {
  CHECK(dns_reverse_name(*IpAddress::parse("192.0.2.17")) == "17.2.0.192.in-addr.arpa");  // RFC 1035 3.5
  CHECK(dns_reverse_name(*IpAddress::parse("4321:0:1:2:3:4:567:89ab")) ==
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa");  // RFC 3596 2.5
}

TEST_CASE("dns: control/resolver lines", "[dns]") {
  struct Row {
    const char* line;
    const char* server;  // nullptr: refused
  };
  const Row rows[] = {
      {"192.0.2.1", "192.0.2.1:53"},
      {" 192.0.2.1\t", "192.0.2.1:53"},
      {"192.0.2.1:5353", "192.0.2.1:5353"},
      {"2001:db8::1", "[2001:db8::1]:53"},
      {"[2001:db8::1]", "[2001:db8::1]:53"},
      {"[2001:db8::1]:5353", "[2001:db8::1]:5353"},
      {"[192.0.2.1]:5353", "192.0.2.1:5353"},
      {"192.0.2.1:", nullptr},
      {"192.0.2.1:0", nullptr},
      {"192.0.2.1:65536", nullptr},
      {"192.0.2.1:53x", nullptr},
      {"192.0.2.1:-1", nullptr},
      {"dns.example", nullptr},
      {"[2001:db8::1", nullptr},
      {"[2001:db8::1]x:1", nullptr},
      {"", nullptr},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const auto server = parse_resolver_line(row.line);
    REQUIRE(server.has_value() == (row.server != nullptr));
    if (!server) continue;
    CHECK(server->server.address.with_port(server->server.port) == row.server);
    CHECK_FALSE(server->trusted);
  }
  const auto trusted = parse_resolver_line(" 192.0.2.1:54 \ttrusted ");
  REQUIRE(trusted);
  CHECK(trusted->trusted);
  CHECK(trusted->server.port == 54);
  CHECK_FALSE(parse_resolver_line("192.0.2.1 trust"));
  CHECK_FALSE(parse_resolver_line("trusted"));
}

TEST_CASE("dns: resolv.conf", "[dns]") {
  const auto servers = parse_resolv_conf(
      "# nameserver 1.1.1.1\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\nnameserver\n"
      "nameserver what\nnameservers 192.0.2.9\noptions edns0\nnameserver 192.0.2.2");
  REQUIRE(servers.size() == 3);
  CHECK(servers[0].address.text() == "192.0.2.1");
  CHECK(servers[0].port == 53);
  CHECK(servers[1].address.text() == "2001:db8::1");
  CHECK(servers[2].address.text() == "192.0.2.2");
  std::string many;
  for (int i = 0; i < 20; ++i) many += "nameserver 192.0.2.1\n";
  CHECK(parse_resolv_conf(many).size() == max_dns_servers);
  CHECK(parse_resolv_conf("").empty());
}

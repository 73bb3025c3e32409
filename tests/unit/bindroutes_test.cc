#include "remote/bindroutes.h"
#include "tests/catch.h"

using namespace hato;

namespace {

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

}  // namespace

TEST_CASE("bindroutes: a line's addresses", "[bindroutes]") {
  struct Row {
    const char* text;
    const char *v4, *v6;  // "": none
    bool given, problem;
  };
  const Row rows[] = {
      {"", "", "", false, false},
      {"  \t", "", "", false, false},
      {"192.0.2.1", "192.0.2.1", "", true, false},
      {"[2001:db8::1]", "", "2001:db8::1", true, false},
      {"2001:db8::1", "", "2001:db8::1", true, false},
      {"192.0.2.1 [IPv6:2001:db8::1]", "192.0.2.1", "2001:db8::1", true, false},
      {"0.0.0.0 [::]", "0.0.0.0", "::", true, false},
      {"192.0.2.1 192.0.2.2", "192.0.2.2", "", true, true},
      {"host.example", "", "", false, true},
      {"192.0.2.1 x", "192.0.2.1", "", true, true},
      {"[192.0.2.1", "", "", false, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const SourceAddresses sources = parse_bind_route(row.text);
    CHECK((sources.v4 ? sources.v4->text() : "") == row.v4);
    CHECK((sources.v6 ? sources.v6->text() : "") == row.v6);
    CHECK(sources.given == row.given);
    CHECK(!sources.problem.empty() == row.problem);
  }
}

TEST_CASE("bindroutes: which families may be used, and from where", "[bindroutes]") {
  const SourceAddresses none, four = parse_bind_route("192.0.2.1"),
                              any = parse_bind_route("0.0.0.0 [2001:db8::1]");
  CHECK(none.allows(ip("198.51.100.1")));
  CHECK(none.allows(ip("2001:db8::9")));
  CHECK_FALSE(none.source_for(ip("198.51.100.1")));
  CHECK(four.allows(ip("198.51.100.1")));
  CHECK_FALSE(four.allows(ip("2001:db8::9")));
  CHECK(four.source_for(ip("198.51.100.1")) == ip("192.0.2.1"));
  CHECK(any.allows(ip("198.51.100.1")));
  CHECK_FALSE(any.source_for(ip("198.51.100.1")));
  CHECK(any.source_for(ip("2001:db8::9")) == ip("2001:db8::1"));
}

TEST_CASE("bindroutes: the sender's line", "[bindroutes]") {
  const std::vector<std::string> lines = {"a.test:192.0.2.1", ".a.test:192.0.2.2", "日本.test:192.0.2.3",
                                          "no colon"};
  CHECK(find_bind_route(lines, "x@a.test").v4 == ip("192.0.2.1"));
  CHECK(find_bind_route(lines, "x@y@A.Test").v4 == ip("192.0.2.1"));
  CHECK(find_bind_route(lines, "x@b.a.test").v4 == ip("192.0.2.2"));
  CHECK(find_bind_route(lines, "x@xn--wgv71a.test").v4 == ip("192.0.2.3"));
  CHECK_FALSE(find_bind_route(lines, "x@other.test").given);
  CHECK_FALSE(find_bind_route(lines, "").given);
  CHECK(find_bind_route({":192.0.2.9"}, "").v4 == ip("192.0.2.9"));
  CHECK_FALSE(find_bind_route({"a.test:", ":192.0.2.9"}, "x@a.test").given);
}

TEST_CASE("helohosts: lines", "[bindroutes]") {
  CHECK(parse_helo_host("192.0.2.1:a.test")->name == "a.test");
  CHECK(parse_helo_host("192.0.2.1:a.test")->address == ip("192.0.2.1"));
  CHECK(parse_helo_host("[2001:db8::1]:a.test")->address == ip("2001:db8::1"));
  CHECK(parse_helo_host("[IPv6:2001:db8::1]:a.test")->name == "a.test");
  CHECK(parse_helo_host("192.0.2.1:")->name.empty());
  for (const char* line :
       {"", "a.test", "192.0.2.1", "a.test:192.0.2.1", "[2001:db8::1", "2001:db8::1:a.test"})
    CHECK_FALSE(parse_helo_host(line));
}

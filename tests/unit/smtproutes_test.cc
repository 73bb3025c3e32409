#include "lib/net/smtproutes.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("smtproutes: what stands behind the domain", "[smtproutes]") {
  struct Row {
    const char* text;
    const char* relay;
    unsigned port;
    TlsWords words;
    bool usable;
  };
  TlsWords auth, on_connect, encrypt;
  auth.level = encrypt.level = TlsLevel::encrypt;
  auth.auth = "x";
  on_connect.on_connect = true;
  const Row rows[] = {
      {"firewall.af.mil", "firewall.af.mil", 25, {}, true},     // qmail-remote(8)
      {"firewall.af.mil:26", "firewall.af.mil", 26, {}, true},  // qmail-remote(8)
      {"", "", 25, {}, true},                                   // qmail-remote(8): MX as usual
      {":2525", "", 2525, {}, true},                            // ours
      {"192.0.2.1:587", "192.0.2.1", 587, {}, true},
      {"[192.0.2.1]:587", "192.0.2.1", 587, {}, true},
      {"[2001:db8::1]", "2001:db8::1", 25, {}, true},
      {"[2001:db8::1]:587", "2001:db8::1", 587, {}, true},
      {"[IPv6:2001:db8::1]:587", "2001:db8::1", 587, {}, true},
      {"smart:587 starttls auth=x", "smart", 587, auth, true},
      {"smart:26\t starttls ", "smart", 26, encrypt, true},
      {"smart\t tls ", "smart", 465, on_connect, true},  // its port
      {"smart:25 tls", "smart", 25, on_connect, true},
      {" starttls", "", 25, encrypt, true},
      {"smart yes", "smart", 25, {}, false},
      {" starttls auth=x", "", 25, {}, false},  // a login is not for everybody
      {"smart:", "smart", 25, {}, false},
      {"smart:0", "smart", 25, {}, false},
      {"smart:65536", "smart", 25, {}, false},
      {"smart:25x", "smart", 25, {}, false},
      {"2001:db8::1", "2001", 25, {}, false},  // needs its brackets
      {"[2001:db8::1", "", 25, {}, false},
      {"]x", "", 25, {}, false},
      {"user@relay", "", 25, {}, false},
      {"[mx.example]", "", 25, {}, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const SmtpRoute route = parse_smtp_route(row.text);
    CHECK(route.problem.empty() == row.usable);
    if (!row.usable) continue;
    CHECK(route.tls == row.words);
    CHECK(route.relay == row.relay);
    CHECK(route.port == row.port);
  }
}

TEST_CASE("smtproutes: the word qmtp", "[smtproutes]") {
  struct Row {
    const char* text;
    std::uint16_t port;
    bool qmtp, usable;
  };
  const Row rows[] = {
      {"relay", 25, false, true},
      {"relay qmtp", 209, true, true},  // qmtp.txt section 7
      {"relay:2209 qmtp", 2209, true, true},
      {"[2001:db8::1]\tqmtp", 209, true, true},
      {" qmtp", 209, true, true},  // the mail exchangers, by QMTP
      {"relay:25 qmtp", 25, true, true},
      {"relay QMTP", 25, false, false},
      {"relay qmtpd", 25, false, false},
      {"relay qmtp starttls", 209, true, false},  // QMTP has no TLS
      {"relay qmtp what", 209, true, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const SmtpRoute route = parse_smtp_route(row.text);
    CHECK(route.port == row.port);
    CHECK(route.qmtp == row.qmtp);
    CHECK(route.problem.empty() == row.usable);
  }
}

TEST_CASE("smtproutes: which line", "[smtproutes]") {
  const std::vector<std::string> lines = {"inside.af.mil:firewall.af.mil:26",
                                          ".af.mil:",
                                          ":heaven.af.mil",
                                          "b.example:first",
                                          "b.example:second",
                                          ".deep.below.example:deep",
                                          ".below.example:below",
                                          "UPPER.example:upper",
                                          "例え.example:jp",
                                          ".日本.example:wild",
                                          "[192.0.2.1]:literal",
                                          "[IPv6:2001:db8::1]:literal6",
                                          "no colon in this line"};
  struct Row {
    const char* host;
    const char* relay;
  };
  const Row rows[] = {
      {"inside.af.mil", "firewall.af.mil"},  // qmail-remote(8), and the next two
      {"x.af.mil", ""},
      {"af.mil", "heaven.af.mil"},
      {"xaf.mil", "heaven.af.mil"},
      {"INSIDE.AF.MIL", "firewall.af.mil"},
      {"inside.af.mil.", "firewall.af.mil"},
      {"b.example", "second"},  // qmail's constmap: the last of equal ones
      {"x.below.example", "below"},
      {"x.deep.below.example", "deep"},
      {"deep.below.example", "below"},
      {"upper.EXAMPLE", "upper"},
      {"xn--r8jz45g.example", "jp"},
      {"例え.example", "jp"},
      {"a.xn--wgv71a.example", "wild"},
      {"[192.0.2.1]", "literal"},
      {"[ipv6:2001:db8::1]", "literal6"},
      {"", "heaven.af.mil"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.host);
    const auto route = find_smtp_route(lines, row.host);
    REQUIRE(route);
    CHECK(route->relay == row.relay);
  }
  CHECK_FALSE(find_smtp_route({"a.example:x"}, "b.example"));
  CHECK_FALSE(find_smtp_route({}, "b.example"));
}

// The words about TLS and AUTH, logins in control/smtpauth, mechanisms, names that a server must have.
#include "lib/net/tls_words.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/words.h"
#include "lib/mail/base64.h"
#include "lib/net/server_identity.h"
#include "remote/auth_client.h"
#include "remote/smtpauth.h"
#include "tests/catch.h"
#include "tests/certificates.h"

using namespace hato;
using Names = std::vector<std::string>;

TEST_CASE("words about TLS", "[tls]") {
  using enum TlsLevel;
  struct Row {
    const char* text;
    TlsWords words;
  };
  const Row good[] = {
      {"", {}},
      {"none", {none, false, {}, {}, false, ""}},
      {"may", {may, false, {}, {}, false, ""}},
      {"starttls", {encrypt, false, {}, {}, false, ""}},
      {"tls", {{}, true, {}, {}, false, ""}},
      {" tls\tverify ", {TlsLevel::verify, true, {}, {}, false, ""}},
      {"starttls verify", {TlsLevel::verify, false, {}, {}, false, ""}},
      {"verify=a.test starttls", {TlsLevel::verify, false, {"a.test"}, {}, false, ""}},
      {"starttls tls", {encrypt, true, {}, {}, false, ""}},
      {"verify=mx.test,.other.test", {TlsLevel::verify, false, {"mx.test", ".other.test"}, {}, false, ""}},
      {"auth", {{}, false, {}, "", false, ""}},
      {"auth=isp verify", {TlsLevel::verify, false, {}, "isp", false, ""}},
      {"auth=isp auth-in-clear", {{}, false, {}, "isp", true, ""}},
      {"none auth=isp auth-in-clear", {none, false, {}, "isp", true, ""}},
  };
  for (const Row& row : good) {
    CAPTURE(row.text);
    CHECK(parse_tls_words(split_words(row.text)) == row.words);
  }
  for (const char* bad : {"TLS", "starttls=yes", "verify=", "verify=a,,b", "verify=.", "verify verify=a",
                          "verify none", "none none", "tls none", "tls may", "auth-in-clear", "none auth=x",
                          "may auth", "auth auth=x", "auth=a@b", "auth=a:b", "x"}) {
    CAPTURE(bad);
    CHECK(!parse_tls_words(split_words(bad)).problem.empty());
  }
  CHECK(parse_tls_words({"plain"}).problem == "I don't know the word \"plain\"");
}

TEST_CASE("smtpauth: which login", "[smtpauth]") {
  const char* text =
      "# comment:a:b\n"
      "\n"
      "isp:user:pass:word with : colons \n"
      "isp:second:line\n"
      "isp@Shop.Example:shop:s3cret\r\n"
      "isp@xn--wgv71a.test:japan:pw\n"
      "@customer.test:customer:pw2\n"
      "@:rest:pw3\n"
      "half:user\n"
      "empty:user:\n"
      "control:us\ter:x\n"
      "no colon\n"
      "last:user:end";
  struct Row {
    const char *name, *sender, *user, *password;
  };
  const Row rows[] = {
      {"isp", "a@other.test", "user", "pass:word with : colons "},
      {"isp", "", "user", "pass:word with : colons "},
      {"isp", "a@shop.example", "shop", "s3cret"},
      {"isp", "a@sub.shop.example", "user", "pass:word with : colons "},
      {"isp", "a@日本.test", "japan", "pw"},
      {"isp", "a@shop.example@SHOP.EXAMPLE", "shop", "s3cret"},
      {"", "x@customer.test", "customer", "pw2"},
      {"", "x@shop.example", "rest", "pw3"},
      {"", "", "rest", "pw3"},
      {"", "postmaster", "rest", "pw3"},
      {"last", "x@customer.test", "user", "end"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name, row.sender);
    const auto login = find_smtp_login(text, row.name, row.sender);
    REQUIRE(login);
    CHECK(login->user == row.user);
    CHECK(login->password.text() == row.password);
  }
  CHECK_FALSE(find_smtp_login(text, "other", "a@b"));
  CHECK_FALSE(find_smtp_login(text, "# comment", "a@b"));
  CHECK_FALSE(find_smtp_login("", "isp", "a@b"));
  CHECK_FALSE(find_smtp_login("@a.test:u:p\n", "", "x@b.test"));
  for (const char* name : {"half", "empty", "control"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(find_smtp_login(text, name, "a@b"), TempError);
  }
  const std::string long_line = "isp:user:" + std::string(max_login_part + 1, 'x');
  CHECK_THROWS_AS(find_smtp_login(long_line, "isp", ""), TempError);
}

TEST_CASE("AUTH: which mechanism, and CRAM-MD5", "[smtpauth]") {
  using Mechanisms = std::vector<std::string_view>;
  CHECK(auth_mechanisms("plain LOGIN CRAM-MD5 XOAUTH2", true) == Mechanisms{"PLAIN", "LOGIN", "CRAM-MD5"});
  CHECK(auth_mechanisms("PLAIN LOGIN CRAM-MD5", false) == Mechanisms{"CRAM-MD5", "PLAIN", "LOGIN"});
  CHECK(auth_mechanisms("LOGIN", false) == Mechanisms{"LOGIN"});
  CHECK(auth_mechanisms("GSSAPI PLAINTEXT", true).empty());
  CHECK(auth_mechanisms("", true).empty());
  // RFC 2195 section 2
  const SmtpLogin tim{"tim", Secret("tanstaaftanstaaf")};
  CHECK(cram_md5_answer(to_base64("<1896.697170952@postoffice.reston.mci.net>"), tim) ==
        to_base64("tim b913a602c7eda7a495b4e6e7334d3890"));
  CHECK_FALSE(cram_md5_answer("what?", tim));
}

TEST_CASE("TLS: names that a server must have", "[tls]") {
  struct Row {
    Names wanted;
    const char *domain, *host;
    Names names;
  };
  const Row rows[] = {
      {{}, "a.test", "mx.elsewhere.test", {"a.test"}},  // what the DNS says proves nothing
      {{}, "a.test", "mx1.a.test", {"mx1.a.test", "a.test"}},
      {{}, "a.test", "A.Test.", {"a.test"}},
      {{}, "a.test", "mxa.test", {"a.test"}},
      {{}, "日本.test", "mx.xn--wgv71a.test", {"mx.xn--wgv71a.test", "xn--wgv71a.test"}},
      {{}, "relay.test", "relay.test", {"relay.test"}},
      {{}, "192.0.2.1", "192.0.2.1", {"192.0.2.1"}},
      {{}, "[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", {"2001:db8::1"}},
      {{"mx.test", "other.test"}, "a.test", "mx1.a.test", {"mx.test", "other.test"}},
      {{".provider.test"}, "a.test", "mx1.provider.test", {"mx1.provider.test"}},
      {{".provider.test"}, "a.test", "mx1.evil.test", {}},
      {{".provider.test"}, "a.test", "provider.test", {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.domain, row.host);
    CHECK(names_to_ask_for(row.wanted, row.domain, row.host) == row.names);
  }
}

TEST_CASE("TLS: the verdict on a server, in words", "[tls]") {
  const auto der = [](std::string_view pem) {
    const std::size_t begin = pem.find("-----\n") + 6;
    return *from_base64(pem.substr(begin, pem.find("-----END") - begin));
  };
  const std::string root = std::string("/tmp/hato-trust-") + std::to_string(getpid());
  {
    const Fd file = open_file(root, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write_all(file.get(), test::certificates::root, "root");
  }
  const TrustStore trust({"/nonexistent/tlsca", root});
  unlink(root.c_str());
  const CertificateChain good{der(test::certificates::good), der(test::certificates::middle)};
  constexpr std::int64_t now = 1780000000;
  struct Row {
    CertificateChain chain;
    Names names;
    bool verified;
    const char* text;
  };
  const Row rows[] = {
      {good, {"mx.test"}, true, "verified for mx.test"},
      {good, {"a.test", "mx.wild.test"}, true, "verified for mx.wild.test"},
      {good,
       {"a.test", "b.test"},
       false,
       "not verified: it is for mx.test, *.wild.test, not for a.test or b.test"},
      {good, {}, false, "not verified: it is for mx.test, *.wild.test, not for a host that was asked for"},
      {{der(test::certificates::self)}, {"mx.test"}, false, "not verified: it is self-signed"},
      {{good[0]}, {"mx.test"}, false, "not verified: no authority that I know issued it"},
  };
  for (const Row& row : rows) {
    const ServerVerdict verdict = judge_server(row.chain, trust, row.names, now);
    CHECK(verdict.verified == row.verified);
    CHECK(verdict.text == row.text);
  }
  CHECK(judge_server(good, TrustStore(), {"mx.test"}, now).text ==
        "not verified: I have no certificates of authorities");
}

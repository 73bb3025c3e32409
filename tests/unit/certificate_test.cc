// Certificates: names and keys, host names against them, chains against anchors, the trust store's file.
#include "lib/net/certificate.h"

#include "lib/mail/base64.h"
#include "lib/net/certificate_chain.h"
#include "lib/net/trust_store.h"
#include "tests/catch.h"
#include "tests/certificates.h"

using namespace hato;
namespace certificates = hato::test::certificates;
using namespace std::string_literals;

namespace {

std::string der(std::string_view pem) {
  const std::size_t begin = pem.find("-----\n") + 6;
  return *from_base64(pem.substr(begin, pem.find("-----END") - begin));
}

constexpr std::int64_t in_2026 = 1780000000;
constexpr std::int64_t in_2020 = 1590000000;
constexpr std::int64_t in_2019 = 1560000000;

}  // namespace

TEST_CASE("base64", "[base64]") {
  // RFC 4648 section 10
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [bytes, text] : rows) {
    CAPTURE(bytes);
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text) == bytes);
  }
  CHECK(from_base64(" Zm9v\r\n\tYmFy\n") == "foobar");
  CHECK(from_base64("AP//") == "\x00\xff\xff"s);
  for (const char* wrong :
       {"Z", "Zg", "Zg=", "Zg==Zg==", "=", "Zg==Zm9v", "Zm9v!", "Zm=v", "Zg===", "====", "Z==="}) {
    CAPTURE(wrong);
    CHECK_FALSE(from_base64(wrong));
  }
}

TEST_CASE("certificate: names, issuer, key", "[tls]") {
  const std::string good = der(certificates::good);
  const std::string middle = der(certificates::middle);
  const auto certificate = Certificate::parse(good);
  const auto issuer = Certificate::parse(middle);
  REQUIRE(certificate);
  REQUIRE(issuer);
  CHECK(certificate->dns_names == std::vector<std::string_view>{"mx.test", "*.wild.test"});
  CHECK(certificate->addresses ==
        std::vector<IpAddress>{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")});
  CHECK(certificate->issuer == issuer->subject);
  CHECK(certificate->subject.find("mx.test") != std::string_view::npos);
  CHECK_FALSE(certificate->self_issued());
  CHECK(certificate->public_key.size() == 91);  // P-256, uncompressed
  const std::string own = der(certificates::self);
  CHECK(Certificate::parse(own)->self_issued());
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(Certificate::parse(std::string_view(good).substr(0, size)));
  }
  CHECK_FALSE(Certificate::parse(good + "x"));
}

TEST_CASE("certificate: host names (RFC 6125 section 6.4)", "[tls]") {
  struct Row {
    const char* pattern;
    const char* host;
    bool matches;
  };
  const Row rows[] = {
      {"mx.test", "mx.test", true},
      {"MX.Test", "mx.tesT", true},
      {"mx.test.", "mx.test", true},
      {"mx.test", "mx.test.", true},
      {"mx.test", "a.mx.test", false},
      {"mx.test", "mx.test.evil", false},
      {"*.wild.test", "a.wild.test", true},
      {"*.WILD.test", "A.wild.test", true},
      {"*.wild.test", "wild.test", false},
      {"*.wild.test", "a.b.wild.test", false},
      {"*.wild.test", ".wild.test", false},
      {"*.wild.test", "*.wild.test", true},
      {"*.test", "wild.test", false},  // a whole top level
      {"*.test.", "wild.test", false},
      {"*", "test", false},
      {"*.", "test.", false},
      {"f*.wild.test", "foo.wild.test", false},  // partial wildcards: refused (RFC 9525 section 6.3)
      {"a.*.test", "a.wild.test", false},
      {"*.xn--wgv71a.test", "mx.xn--wgv71a.test", true},
      {"*.wild.test", "xn--wgv71a.wild.test", true},
      {"xn--*.wild.test", "xn--wgv71a.wild.test", false},
      {"", "", false},
      {"", "mx.test", false},
      {".", ".", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern, row.host);
    CHECK(matches_host(row.pattern, row.host) == row.matches);
  }
  CHECK_FALSE(matches_host("mx.test\0.evil.test"s, "mx.test"));

  const std::string good = der(certificates::good);
  const auto certificate = Certificate::parse(good);
  for (const char* host : {"mx.test", "a.wild.test", "127.0.0.1", "::1"})
    CHECK(is_for_host(*certificate, host));
  for (const char* host : {"other.test", "wild.test", "127.0.0.2", "::2", ""})
    CHECK_FALSE(is_for_host(*certificate, host));
}

TEST_CASE("certificate: chains", "[tls]") {
  const std::string good = der(certificates::good), middle = der(certificates::middle),
                    root = der(certificates::root), own = der(certificates::self),
                    rsa = der(certificates::rsa), expired = der(certificates::expired),
                    other = der(certificates::other);
  const std::string unknown = "no authority that I know issued it";
  const std::string dates = "it has expired or is not valid yet";
  std::string damaged = good;
  damaged[damaged.size() - 5] ^= 1;
  struct Row {
    const char* what;
    CertificateChain chain, anchors;
    std::int64_t now;
    std::string problem;
  };
  const Row rows[] = {
      {"as it should be", {good, middle}, {root}, in_2026, ""},
      {"with the root", {good, middle, root}, {root}, in_2026, ""},
      {"in another order, with strangers between", {good, root, other, middle}, {root}, in_2026, ""},
      {"the one in the middle is trusted", {good}, {middle}, in_2026, ""},
      {"the one in the middle is trusted, the root shown", {good, middle, root}, {middle}, in_2026, ""},
      {"RSA", {rsa}, {root}, in_2026, ""},
      {"several anchors", {rsa}, {own, middle, root}, in_2026, ""},
      {"the one in the middle is missing", {good}, {root}, in_2026, unknown},
      {"no anchors", {good, middle}, {}, in_2026, unknown},
      {"a stranger's anchor", {good, middle}, {own}, in_2026, unknown},
      {"self-signed", {own}, {root}, in_2026, "it is self-signed"},
      {"expired", {expired, middle}, {root}, in_2026, dates},
      {"in its time", {expired, middle}, {root}, in_2020, ""},
      {"too early", {good, middle}, {root}, in_2019, dates},
      {"damaged", {damaged, middle}, {root}, in_2026, "a signature in its chain is wrong"},
      {"empty", {}, {root}, in_2026, "there is none"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(chain_problem(row.chain, row.anchors, row.now) == row.problem);
  }
  // Trusted itself; it may not issue.
  CHECK(chain_problem({own}, {own}, in_2026).empty());
  CHECK(chain_problem({good, middle}, {good}, in_2026).empty());
  CHECK(!chain_problem({middle}, {good}, in_2026).empty());
  CHECK(!chain_problem({"rubbish"}, {root, "rubbish"}, in_2026).empty());
  CHECK(!chain_problem({""}, {root}, in_2026).empty());
}

TEST_CASE("certificate: authorities in a PEM file", "[tls]") {
  const std::string good = der(certificates::good), middle = der(certificates::middle),
                    root = der(certificates::root);
  const std::string pem = "text before\n"s + certificates::self + "# a comment\n" + certificates::root +
                          "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n" +
                          certificates::root + certificates::middle;
  CHECK(issuers_in_pem(pem, {good, middle}) == std::vector<CertificateDer>{root, root, middle});
  CHECK(issuers_in_pem(pem, {good}) == std::vector<CertificateDer>{middle});
  CHECK(issuers_in_pem(pem, {}).empty());
  CHECK(issuers_in_pem("", {good}).empty());
  CHECK(issuers_in_pem(std::string(certificates::root).substr(0, 200), {middle}).empty());
}

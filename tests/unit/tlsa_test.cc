// TLSA records: parsing, which can be used, which count, what they match, and the verdict on a server by
// them.
#include "lib/net/tlsa.h"

#include "lib/net/server_identity.h"
#include "tests/catch.h"
#include "tests/certificates.h"
#include "tests/tlsa_of.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

constexpr std::int64_t in_2026 = 1780000000;

TlsaRecord record(unsigned usage, unsigned selector, unsigned matching, const char* pem) {
  return *TlsaRecord::parse(tlsa_of(usage, selector, matching, pem));
}

CertificateChain chain(std::initializer_list<const char*> pems) {
  CertificateChain chain;
  for (const char* pem : pems) chain.push_back(der_of(pem));
  return chain;
}

}  // namespace

TEST_CASE("tlsa: record data", "[dane]") {
  CHECK_FALSE(TlsaRecord::parse(""));
  CHECK_FALSE(TlsaRecord::parse("\3\1\1"s));
  CHECK(TlsaRecord::parse("\3\1\1x"s) == TlsaRecord{3, 1, 1, "x"});
  CHECK(TlsaRecord::parse("\xff\0\2\0\xff"s) == TlsaRecord{255, 0, 2, "\0\xff"s});
  CHECK(TlsaRecord{2, 0, 1, ""}.type_text() == "2 0 1");
  CHECK(tlsa_name("mx.test", 25) == "_25._tcp.mx.test");
  CHECK(tlsa_name("mx.test", 2525) == "_2525._tcp.mx.test");
}

TEST_CASE("tlsa: usable and not", "[dane]") {
  struct Row {
    const char* what;
    TlsaRecord record;
    bool usable;
  };
  const std::string d32(32, 'x'), d64(64, 'x');
  const std::string good = der_of(certificates::good);
  const Row rows[] = {
      {"DANE-EE, key, SHA-256", {3, 1, 1, d32}, true},
      {"DANE-EE, certificate, SHA-512", {3, 0, 2, d64}, true},
      {"DANE-TA", {2, 0, 1, d32}, true},
      {"DANE-TA, key", {2, 1, 2, d64}, true},
      {"PKIX-TA (RFC 7672 section 3.1.3)", {0, 0, 1, d32}, false},
      {"PKIX-EE", {1, 1, 1, d32}, false},
      {"a usage that nobody knows", {4, 1, 1, d32}, false},
      {"PrivCert", {255, 1, 1, d32}, false},
      {"a selector that nobody knows", {3, 2, 1, d32}, false},
      {"a matching type that nobody knows", {3, 1, 3, d32}, false},
      {"a digest that is too short", {3, 1, 1, std::string(31, 'x')}, false},
      {"a digest that is too long", {3, 1, 1, d64}, false},
      {"the same with SHA-512", {3, 1, 2, d32}, false},
      {"a whole certificate", {3, 0, 0, good}, true},
      {"of an authority", {2, 0, 0, good}, true},
      {"one that is cut off", {3, 0, 0, good.substr(1)}, false},
      {"a whole key", {3, 1, 0, "key"}, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(row.record.usable() == row.usable);
  }
}

TEST_CASE("tlsa: matching", "[dane]") {
  const std::string good = der_of(certificates::good);
  for (const unsigned selector : {0U, 1U})
    for (const unsigned matching : {0U, 1U, 2U}) {
      CAPTURE(selector, matching);
      const TlsaRecord own = record(3, selector, matching, certificates::good);
      CHECK(own.matches(good));
      CHECK_FALSE(own.matches(der_of(certificates::other)));
      CHECK_FALSE(own.matches("no certificate"));
      CHECK_FALSE(own.matches(""));
    }
  // openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256
  const TlsaRecord known = record(3, 1, 1, certificates::good);
  std::string digest;
  for (const char c : known.data) {
    digest.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    digest.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
  }
  CHECK(digest == "bd903654966580fbb9a396f75998f7170dc9e480d0c9be7a84b8682b0f9ea56e");
}

TEST_CASE("tlsa: which of them count (RFC 7671 section 9)", "[dane]") {
  const std::string d32(32, 'x'), d64(64, 'x');
  const auto data = [](const char* type, const std::string& rest) { return std::string(type, 3) + rest; };
  CHECK(tlsa_that_count({}).empty());
  CHECK(tlsa_that_count({"", "\3\1"s, data("\1\1\1", d32)}).empty());
  const auto both = tlsa_that_count({data("\3\1\1", d32), data("\3\1\2", d64), data("\3\0\1", d32),
                                     data("\2\1\1", d32), data("\3\1\0", "key"), data("\3\1\2", d32)});
  std::string types;
  for (const TlsaRecord& r : both) types += r.type_text() + ";";
  CHECK(types == "3 1 2;3 0 1;2 1 1;3 1 0;");
  // A SHA-512 that cannot be used does not outdo anything.
  CHECK(tlsa_that_count({data("\3\1\1", d32), data("\3\1\2", d32)}).size() == 1);
  CHECK(tlsa_that_count(std::vector<std::string>(1000, data("\3\1\1", d32))).size() == max_tlsa_records);
}

TEST_CASE("tlsa: the verdict on a server", "[dane]") {
  struct Row {
    const char* what;
    CertificateChain shown;
    std::vector<TlsaRecord> records;
    std::vector<std::string> names;
    std::string verdict;
  };
  const auto good = chain({certificates::good, certificates::middle});
  const auto expired = chain({certificates::expired, certificates::middle});
  const auto other = chain({certificates::other, certificates::middle});
  const auto self = chain({certificates::self});
  const std::vector<std::string> mx{"mx.test"};
  const std::string none = "not verified: no TLSA record of mx.test fits it";
  const Row rows[] = {
      {"the key",
       good,
       {record(3, 1, 1, certificates::good)},
       mx,
       "verified by a TLSA record (3 1 1) for mx.test"},
      {"the certificate",
       good,
       {record(3, 0, 2, certificates::good)},
       mx,
       "verified by a TLSA record (3 0 2) for mx.test"},
      {"one of two",
       good,
       {record(3, 1, 1, certificates::other), record(3, 1, 1, certificates::good)},
       mx,
       "verified by a TLSA record (3 1 1) for mx.test"},
      {"another's", good, {record(3, 1, 1, certificates::other)}, mx, none},
      {"self-signed",
       self,
       {record(3, 1, 1, certificates::self)},
       mx,
       "verified by a TLSA record (3 1 1) for mx.test"},
      // RFC 7672 section 3.1.1
      {"expired, but its own",
       expired,
       {record(3, 1, 1, certificates::expired)},
       mx,
       "verified by a TLSA record (3 1 1) for mx.test"},
      {"for another, but its own",
       other,
       {record(3, 1, 1, certificates::other)},
       mx,
       "verified by a TLSA record (3 1 1) for mx.test"},
      {"DANE-EE for an authority's", good, {record(3, 1, 1, certificates::middle)}, mx, none},
      {"an authority",
       good,
       {record(2, 0, 1, certificates::middle)},
       mx,
       "verified by a TLSA record (2 0 1) for mx.test"},
      {"an authority's key",
       good,
       {record(2, 1, 2, certificates::middle)},
       mx,
       "verified by a TLSA record (2 1 2) for mx.test"},
      {"an authority above it",
       chain({certificates::good, certificates::middle, certificates::root}),
       {record(2, 0, 1, certificates::root)},
       mx,
       "verified by a TLSA record (2 0 1) for mx.test"},
      {"an authority that is not shown", good, {record(2, 0, 1, certificates::root)}, mx, none},
      {"but stands in the record",
       good,
       {record(2, 0, 0, certificates::root)},
       mx,
       "verified by a TLSA record (2 0 0) for mx.test"},
      {"the second name",
       good,
       {record(2, 0, 1, certificates::middle)},
       {"a.test", "mx.test"},
       "verified by a TLSA record (2 0 1) for mx.test"},
      {"an authority, for another host",
       other,
       {record(2, 0, 1, certificates::middle)},
       mx,
       "not verified: it is for other.test, not for mx.test"},
      {"an authority, expired",
       expired,
       {record(2, 0, 1, certificates::middle)},
       mx,
       "not verified: it has expired or is not valid yet"},
      {"shown, but not its issuer",
       chain({certificates::self, certificates::middle}),
       {record(2, 0, 1, certificates::middle)},
       mx,
       "not verified: it is self-signed"},
      {"DANE-TA for the server's own", self, {record(2, 1, 1, certificates::self)}, mx, none},
      {"nothing shown", {}, {record(3, 1, 1, certificates::good)}, mx, "not verified: there is none"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const ServerVerdict verdict = judge_server_by_tlsa(row.shown, row.records, row.names, in_2026);
    CHECK(verdict.text == row.verdict);
    CHECK(verdict.verified == row.verdict.starts_with("verified"));
  }
}

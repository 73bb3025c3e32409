#include "lib/mail/address.h"
#include "tests/catch.h"

using namespace hato;

namespace {

struct PathRow {
  const char* argument;
  const char* keyword;
  PathError lenient;
  PathError strict;
  const char* address;
  const char* source;
};

constexpr PathError ok = PathError::none, bad = PathError::syntax;

const PathRow path_rows[] = {
    {"FROM:<a@example.jp>", "FROM", ok, ok, "a@example.jp", "RFC 5321 4.1.1.2"},
    {"from:<a@example.jp>", "FROM", ok, ok, "a@example.jp", "RFC 5321 2.4: verbs in any case"},
    {"FROM:<>", "FROM", ok, ok, "", "RFC 5321 4.1.1.2: the null reverse-path"},
    {"FROM: <a@example.jp>", "FROM", ok, bad, "a@example.jp", "qmail-smtpd(8): space after the colon"},
    {"FROM : <a@example.jp>", "FROM", ok, bad, "a@example.jp", "lenient"},
    {"FROM:a@example.jp", "FROM", ok, bad, "a@example.jp", "qmail's addrparse: no brackets"},
    {"FROM: a@example.jp SIZE=10", "FROM", ok, bad, "a@example.jp", "qmail's addrparse: a space ends it"},
    {"<a@example.jp>", "FROM", ok, bad, "a@example.jp", "qmail's addrparse: no FROM:"},
    {"FROM", "FROM", bad, bad, "", "no address"},
    {"FROM:", "FROM", bad, bad, "", "no address"},
    {"", "FROM", bad, bad, "", "no address"},
    {"FROM:<a@example.jp", "FROM", bad, bad, "", "no closing bracket"},
    {"FROM:<a@example.jp>x", "FROM", PathError::none, PathError::trailing, "a@example.jp", "X is a keyword"},
    {"FROM:<a@example.jp> =3", "FROM", PathError::trailing, PathError::trailing, "", "esmtp-keyword"},
    {"TO:<@x.example,@y.example:a@example.jp>", "TO", ok, ok, "a@example.jp", "RFC 5321 4.1.1.3, C: route"},
    {"TO:<@x.example>", "TO", bad, bad, "", "a route alone"},
    {"TO:<\"a b\"@example.jp>", "TO", ok, ok, "a b@example.jp", "RFC 5321 4.1.2 Quoted-string"},
    {"TO:<\"a\\\"b\\\\\"@example.jp>", "TO", ok, ok, "a\"b\\@example.jp", "RFC 5321 quoted-pairSMTP"},
    {"TO:<\"a@b\"@example.jp>", "TO", ok, ok, "a@b@example.jp", "@ inside quotes"},
    {"TO:<\"a>b\"@example.jp>", "TO", ok, ok, "a>b@example.jp", "> inside quotes"},
    {"TO:<\"\"@example.jp>", "TO", ok, ok, "@example.jp", "RFC 5321: a quoted string may be empty"},
    {"TO:<\"a@example.jp>", "TO", bad, bad, "", "an open quote"},
    {"TO:<a@b@example.jp>", "TO", ok, bad, "a@b@example.jp", "qmail: the last @ separates"},
    {"TO:<\"a\".b@example.jp>", "TO", ok, bad, "a.b@example.jp", "RFC 5322 obs-local-part"},
    {"TO:<a\\ b@example.jp>", "TO", ok, bad, "a b@example.jp", "qmail's addrparse: backslash"},
    {"TO:<a b@example.jp>", "TO", bad, bad, "", "a space in it"},
    {"TO:<a..b@docomo.ne.jp>", "TO", ok, ok, "a..b@docomo.ne.jp", "Japanese carriers until 2009"},
    {"TO:<a.@ezweb.ne.jp>", "TO", ok, ok, "a.@ezweb.ne.jp", "Japanese carriers until 2009"},
    {"TO:<.a@docomo.ne.jp>", "TO", ok, ok, ".a@docomo.ne.jp", "Japanese carriers"},
    {"TO:<postmaster>", "TO", ok, ok, "postmaster", "RFC 5321 4.5.1"},
    {"TO:<PostMaster>", "TO", ok, ok, "PostMaster", "RFC 5321 4.5.1: in any case"},
    {"TO:<a>", "TO", ok, bad, "a", "qmail-smtpd takes a bare name"},
    {"TO:<>", "TO", ok, ok, "", "for the caller to refuse"},
    {"TO:<a@[192.0.2.1]>", "TO", ok, ok, "a@[192.0.2.1]", "RFC 5321 4.1.3"},
    {"TO:<a@[IPv6:2001:db8::1]>", "TO", ok, ok, "a@[IPv6:2001:db8::1]", "RFC 5321 4.1.3"},
    {"TO:<a@[192.0.2.256]>", "TO", bad, bad, "", "no IPv4 address"},
    {"TO:<a@[2001:db8::1]>", "TO", bad, bad, "", "RFC 5321 4.1.3: the tag IPv6: is missing"},
    {"TO:<a@[IPv6:12345::]>", "TO", bad, bad, "", "no IPv6 address"},
    {"TO:<a@example.jp.>", "TO", ok, bad, "a@example.jp", "a root dot"},
    {"TO:<a@>", "TO", bad, bad, "", "no domain"},
    {"TO:<@>", "TO", bad, bad, "", "nothing"},
    {"TO:<a@x..jp>", "TO", bad, bad, "", "an empty label"},
    {"TO:<a@.jp>", "TO", bad, bad, "", "an empty label"},
    {"TO:<a@b_c.jp>", "TO", ok, bad, "a@b_c.jp", "underscores exist"},
    {"TO:<a@b;c>", "TO", bad, bad, "", "no domain"},
    {"TO:<鳩@例え.jp>", "TO", ok, ok, "鳩@例え.jp", "RFC 6531 3.3"},
    {"TO:<\xe9@example.jp>", "TO", PathError::not_utf8, PathError::not_utf8, "", "RFC 6531: UTF-8 only"},
    {"TO:<\xc0\xaf@example.jp>", "TO", PathError::not_utf8, PathError::not_utf8, "", "RFC 3629: overlong"},
    {"TO:<\xed\xa0\x80@example.jp>", "TO", PathError::not_utf8, PathError::not_utf8, "", "a surrogate"},
    {"TO:<\"a\rb\"@example.jp>", "TO", PathError::control, PathError::control, "", "RFC 5321 4.1.2"},
    {"TO:<\"a\tb\"@example.jp>", "TO", PathError::control, PathError::control, "", "RFC 5321 qtextSMTP"},
    {"TO:<a\x7f@example.jp>", "TO", PathError::control, PathError::control, "", "RFC 5321 4.1.2"},
    {"TO:<\xc2\x85@example.jp>", "TO", PathError::control, PathError::control, "", "U+0085, next line"},
};

struct QuoteRow {
  const char* raw;
  const char* quoted;
};
const QuoteRow quote_rows[] = {
    {"a@example.jp", "a@example.jp"},
    {"a+b=c@example.jp", "a+b=c@example.jp"},
    {"a..b@docomo.ne.jp", "\"a..b\"@docomo.ne.jp"},
    {"a.@ezweb.ne.jp", "\"a.\"@ezweb.ne.jp"},
    {".a@docomo.ne.jp", "\".a\"@docomo.ne.jp"},
    {"a b@example.jp", "\"a b\"@example.jp"},
    {"a\"\\@example.jp", "\"a\\\"\\\\\"@example.jp"},
    {"a@b@example.jp", "\"a@b\"@example.jp"},
    {"@example.jp", "\"\"@example.jp"},
    {"postmaster", "postmaster"},
    {"a b", "\"a b\""},
    {"", ""},
    {"#@[]", "#@[]"},
    {"鳩@例え.jp", "鳩@例え.jp"},
};

}  // namespace

TEST_CASE("paths of MAIL and RCPT") {
  for (const PathRow& row : path_rows) {
    INFO(row.argument << ": " << row.source);
    const Path lenient = parse_path(row.argument, row.keyword, Strictness::lenient);
    const Path strict = parse_path(row.argument, row.keyword, Strictness::strict);
    CHECK(static_cast<int>(lenient.error) == static_cast<int>(row.lenient));
    CHECK(static_cast<int>(strict.error) == static_cast<int>(row.strict));
    if (row.lenient == ok) CHECK(lenient.address == row.address);
    if (row.strict == ok) CHECK(strict.address == row.address);
  }
}

TEST_CASE("a path's limits") {
  const std::string domain = "@example.jp";
  const std::string fits(max_smtp_address - domain.size(), 'a');
  CHECK(parse_path("TO:<" + fits + domain + ">", "TO").ok());
  CHECK(parse_path("TO:<" + fits + "a" + domain + ">", "TO").error == PathError::too_long);
  const std::string long_domain = std::string(252, 'a') + ".jp";
  CHECK(parse_path("TO:<a@" + long_domain + ">", "TO").ok());
  CHECK(parse_path("TO:<a@a" + long_domain + ">", "TO").error == PathError::too_long);
}

TEST_CASE("ESMTP parameters") {
  const Path path = parse_path("FROM:<a@example.jp> size=1000 BODY=8BITMIME SMTPUTF8  ENVID=a=b", "FROM",
                               Strictness::strict);
  REQUIRE(path.ok());
  REQUIRE(path.parameters.size() == 4);
  CHECK(path.parameters[0].keyword == "SIZE");
  CHECK(path.parameters[0].value == "1000");
  CHECK(path.parameters[3].value == "a=b");
  REQUIRE(find_parameter(path.parameters, "SMTPUTF8") != nullptr);
  CHECK_FALSE(find_parameter(path.parameters, "SMTPUTF8")->has_value);
  CHECK(find_parameter(path.parameters, "RET") == nullptr);
  CHECK_FALSE(parse_parameters("SI_ZE=1"));
  CHECK_FALSE(parse_parameters("SIZE=\x01"));
  CHECK_FALSE(parse_parameters("-X"));
  std::string many;
  for (std::size_t i = 0; i < max_esmtp_parameters; ++i) many += " X=1";
  CHECK(parse_parameters(many));
  CHECK_FALSE(parse_parameters(many + " X=1"));
}

TEST_CASE("raw addresses are quoted for SMTP (RFC 5321 4.1.2) and come back") {
  for (const QuoteRow& row : quote_rows) {
    INFO(row.raw);
    CHECK(quote_address(row.raw) == row.quoted);
    if (std::string(row.raw) == "#@[]") continue;  // no address literal
    const Path path = parse_path("TO:<" + quote_address(row.raw) + ">", "TO");
    CHECK(path.ok());
    CHECK(path.address == row.raw);
  }
}

TEST_CASE("parts of a raw address") {
  CHECK(local_part("a@b@c.jp") == "a@b");
  CHECK(domain_part("a@b@c.jp") == "c.jp");
  CHECK(local_part("a") == "a");
  CHECK(domain_part("a").empty());
  CHECK(needs_smtputf8("鳩@example.jp"));
  CHECK(needs_smtputf8("a@例え.jp"));
  CHECK_FALSE(needs_smtputf8("a@xn--r8jz45g.jp"));
  CHECK(is_clean_address("鳩@例え.jp"));
  CHECK_FALSE(is_clean_address("a\nb@example.jp"));
  CHECK_FALSE(is_clean_address("a\xff@example.jp"));
}

TEST_CASE("address literals (RFC 5321 4.1.3)") {
  const auto v4 = address_literal("[192.0.2.7]");
  REQUIRE(v4);
  CHECK((*v4)[10] == 0xff);
  CHECK((*v4)[12] == 192);
  CHECK((*v4)[15] == 7);
  const auto v6 = address_literal("[ipv6:::1]");
  REQUIRE(v6);
  CHECK((*v6)[15] == 1);
  for (const char* no : {"192.0.2.7", "[]", "[192.0.2]", "[192.0.2.7", "[IPv6:]", "[IPv6:1.2.3.4]"}) {
    INFO(no);
    CHECK_FALSE(address_literal(no));
  }
}

TEST_CASE("a mailbox alone") {
  CHECK(parse_mailbox("\"a b\"@example.jp") == "a b@example.jp");
  CHECK_FALSE(parse_mailbox("a@example.jp>"));
  CHECK_FALSE(parse_mailbox("a b"));
  CHECK_FALSE(parse_mailbox(""));
  CHECK_FALSE(parse_mailbox("a", Strictness::strict));
}

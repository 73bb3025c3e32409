// RFC 3461's parameters and RFC 6533's addresses.
#include "lib/mail/dsn.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("xtext", "[dsn]") {
  struct Row {
    std::string plain;
    const char* coded;
  };
  for (const Row& row : {
           Row{"", ""},
           Row{"Bob@example.com", "Bob@example.com"},
           Row{"a+b=c", "a+2Bb+3Dc"},  // RFC 3461 4: exactly these two of the graphic ones
           Row{"a b\t", "a+20b+09"},
           Row{std::string("\0\x7f\xff", 3), "+00+7F+FF"},
       }) {
    CAPTURE(row.coded);
    CHECK(encode_xtext(row.plain) == row.coded);
    CHECK(decode_xtext(row.coded) == row.plain);
  }
  CHECK(decode_xtext("+41") == "A");
  for (const char* wrong : {"+", "+4", "+4g", "+2b", "a=b", "a b", "\x80", "a+", "+-1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(decode_xtext(wrong));
  }
}

TEST_CASE("RET, ENVID, NOTIFY", "[dsn]") {
  CHECK(parse_ret("full") == DsnReturn::full);
  CHECK(parse_ret("HDRS") == DsnReturn::headers);
  CHECK_FALSE(parse_ret("HEADERS"));
  CHECK(parse_envid("QQ+20314") == "QQ 314");
  CHECK(parse_envid(std::string(100, 'x')));
  CHECK_FALSE(parse_envid(std::string(101, 'x')));  // RFC 3461 4.4
  CHECK_FALSE(parse_envid(""));
  CHECK_FALSE(parse_envid("a+0Ab"));  // it would begin a field of the report
  CHECK_FALSE(parse_envid("+C3+A9"));

  const auto notify = parse_notify("Success,DELAY");
  REQUIRE(notify);
  CHECK((notify->said && notify->success && notify->delay && !notify->failure && !notify->never()));
  CHECK_FALSE(notify->wants_failure());
  CHECK(parse_notify("NEVER")->never());
  CHECK(Notify().wants_failure());
  for (const char* wrong :
       {"", ",", "NEVER,SUCCESS", "SUCCESS,NEVER", "SUCCESS,", ",DELAY", "YES", "DELAY FAILURE"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_notify(wrong));
  }
}

TEST_CASE("ORCPT", "[dsn]") {
  struct Row {
    const char *value, *type, *address;
  };
  for (const Row& row : {
           Row{"rfc822;Bob@example.com", "rfc822", "Bob@example.com"},
           Row{"RFC822;a+2Bb@example.com", "RFC822", "a+b@example.com"},
           Row{"x400;/c=us", "", ""},  // a bare = is no xtext
           Row{"x400;/c+3Dus", "x400", "/c=us"},
           Row{"utf-8;\\x{9CE9}@\\x{4F8B}.jp", "utf-8", "鳩@例.jp"},  // RFC 6533 3
           Row{"UTF-8;鳩@例.jp", "UTF-8", "鳩@例.jp"},
           Row{"utf-8;a\\x{2B}b@x.jp", "utf-8", "a+b@x.jp"},
           Row{"utf-8;a+2Bb@x.jp", "", ""},        // no xtext there
           Row{"utf-8;\\x{D800}@x.jp", "", ""},    // no character
           Row{"utf-8;\\x{110000}@x.jp", "", ""},  // none either
           Row{"utf-8;\\x{0A}@x.jp", "", ""},      // a line feed
           Row{"utf-8;\\x{9ce9}@x.jp", "", ""},    // digits in capitals
           Row{"utf-8;\\x{}@x.jp", "", ""},
           Row{"utf-8;\\x{9CE9", "", ""},
           Row{"utf-8;\\y", "", ""},
           Row{"rfc822;+C3+A9@x.jp", "", ""},  // UTF-8 has a type of its own
           Row{"rfc822;a+0Ab@x.jp", "", ""},
           Row{"rfc822;", "", ""},
           Row{"rfc822", "", ""},
           Row{";a@b", "", ""},
           Row{"a b;c", "", ""},
           Row{"a:b;c", "", ""},
       }) {
    CAPTURE(row.value);
    const auto original = parse_orcpt(row.value);
    REQUIRE(original.has_value() == (row.type[0] != 0));
    if (!original) continue;
    CHECK(original->type == row.type);
    CHECK(original->address == row.address);
  }
  CHECK(parse_orcpt("rfc822;" + std::string(493, 'x')));
  CHECK_FALSE(parse_orcpt("rfc822;" + std::string(494, 'x')));  // RFC 3461 4.2
}

TEST_CASE("DSN words are written as they are read", "[dsn]") {
  const MessageDsn message = message_dsn("BODY=8BITMIME RET=HDRS ENVID=a+2Bb");
  CHECK(message.ret == DsnReturn::headers);
  CHECK(message.envid == "a+b");
  CHECK(dsn_words(message) == "RET=HDRS ENVID=a+2Bb");
  CHECK(dsn_words(MessageDsn()).empty());
  CHECK(dsn_words(MessageDsn{DsnReturn::unsaid, "x"}) == "ENVID=x");

  for (const char* words : {"NOTIFY=NEVER", "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a@b",
                            "ORCPT=utf-8;\\x{9CE9}@x.jp", "NOTIFY=FAILURE"}) {
    CAPTURE(words);
    CHECK(dsn_words(recipient_dsn(words)) == words);
  }
  CHECK(dsn_words(recipient_dsn("ORCPT=utf-8;鳩@x.jp")) == "ORCPT=utf-8;\\x{9CE9}@x.jp");
  // Longer in ASCII than any server takes.
  std::string long_one = "utf-8;";
  for (int i = 0; i < 100; ++i) long_one += "鳩";
  REQUIRE(parse_orcpt(long_one));
  CHECK(dsn_words(recipient_dsn("NOTIFY=DELAY ORCPT=" + long_one)) == "NOTIFY=DELAY");
}

TEST_CASE("stored words that are none count as not said", "[dsn]") {
  CHECK(message_dsn("RET=WHAT ENVID=a+b") == MessageDsn());
  CHECK(message_dsn("\n") == MessageDsn());
  CHECK(recipient_dsn("NOTIFY=NEVER,DELAY ORCPT=x") == RecipientDsn());
  CHECK(recipient_dsn("") == RecipientDsn());
  CHECK(recipient_dsn("NOTIFY=NEVER\nRSET") == RecipientDsn());
}

TEST_CASE("addresses in reports", "[dsn]") {
  CHECK(report_address("a..b@docomo.example", false) == "rfc822; \"a..b\"@docomo.example");
  CHECK(report_address("鳩@例.jp", true) == "utf-8; 鳩@例.jp");
  CHECK(report_address("鳩@例.jp", false) == "utf-8; \\x{9CE9}@\\x{4F8B}.jp");
  CHECK(report_address("\xff@x.jp", true) == "rfc822; ?@x.jp");
  CHECK(report_address(OriginalRecipient{"rfc822", "a@b"}, false) == "rfc822; a@b");
  CHECK(report_address(OriginalRecipient{"utf-8", "鳩@x.jp"}, false) == "utf-8; \\x{9CE9}@x.jp");
}

#include "lib/mail/domain.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("Punycode samples of RFC 3492 section 7.1") {
  struct Row {
    const char* label;
    const char* coded;
  };
  const Row rows[] = {
      {"他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"},            // (B) Chinese, simplified
      {"Pročprostěnemluvíčesky", "Proprostnemluvesky-uyb24dma41a"},  // (D) Czech
      {"なぜみんな日本語を話してくれないのか", "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa"},  // (G) Japanese
      {"почемужеонинеговорятпорусски", "b1abfaaepdrnnbgefbadotcwatmq2g4l"},                // (I) Russian
      {"3年B組金八先生", "3B-ww4c5e180e575a65lsy2b"},                                      // (L)
      {"Hello-Another-Way-それぞれの場所", "Hello-Another-Way--fc4qua05auwb3674vfr0b"},    // (N)
      {"ひとつ屋根の下2", "2-u9tlzr9756bt3uc0v"},                                          // (O)
      {"そのスピードで", "d9juau41awczczp"},                                               // (R)
      {"-> $1.00 <-", "-> $1.00 <--"},                                                     // (S) ASCII
  };
  for (const Row& row : rows) {
    INFO(row.label);
    CHECK(punycode(row.label) == row.coded);
  }
}

TEST_CASE("canonical domains") {
  struct Row {
    const char* domain;
    const char* ascii;  // null: none
    const char* source;
  };
  const std::string label63(63, 'a');
  const std::string label64(64, 'a');
  const Row rows[] = {
      {"Example.JP", "example.jp", "RFC 1035 2.3.3"},
      {"example.jp.", "example.jp", "the root dot"},
      {"日本語.jp", "xn--wgv71a119e.jp", "JPRS's example"},
      {"日本語。jp", "xn--wgv71a119e.jp", "UTS 46: U+3002 is a dot"},
      {"ｅｘａｍｐｌｅ．ｊｐ", "example.jp", "UTS 46: full width"},
      {"BÜCHER.example", "xn--bcher-kva.example", "UTS 46: lower case"},
      {"ΠΑΡΆΔΕΙΓΜΑ.ΔΟΚΙΜΉ", "xn--hxajbheg2az3al.xn--jxalpdlp", "IANA's test domain"},
      {"ПРИМЕР.испытание", "xn--e1afmkfd.xn--80akhbyknj4f", "IANA's test domain"},
      {"XN--WGV71A119E.jp", "xn--wgv71a119e.jp", "A-labels in any case"},
      {"_x.example", "_x.example", "names in use"},
      {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]", "a literal"},
      {"a..jp", nullptr, "RFC 1035: an empty label"},
      {".jp", nullptr, "an empty label"},
      {".", nullptr, "an empty label"},
      {"", nullptr, "nothing"},
      {"a b.jp", nullptr, "a space"},
      {"a\n.jp", nullptr, "a control character"},
      {"\xe9.jp", nullptr, "Latin-1"},
      {label63.c_str(), label63.c_str(), "RFC 1035 2.3.4"},
      {label64.c_str(), nullptr, "RFC 1035 2.3.4"},
  };
  for (const Row& row : rows) {
    INFO(row.domain << ": " << row.source);
    const auto ascii = to_ascii_domain(row.domain);
    CHECK(ascii.has_value() == (row.ascii != nullptr));
    if (ascii && row.ascii) CHECK(*ascii == row.ascii);
  }
}

TEST_CASE("the same domain in two spellings") {
  CHECK(same_domain("日本語.jp", "XN--wgv71a119e.JP"));
  CHECK(same_domain("Example.jp", "example.jp."));
  CHECK(same_domain("a..B", "A..b"));  // not domains, but the same bytes but for case
  CHECK_FALSE(same_domain("example.jp", "example.com"));
  CHECK_FALSE(same_domain("日本.jp", "日本語.jp"));
  CHECK_FALSE(same_domain("", "example.jp"));
  CHECK(canonical_domain("A..B") == "a..b");
}

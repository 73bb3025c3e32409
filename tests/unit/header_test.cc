#include "lib/mail/header.h"
#include "lib/mail/address.h"
#include "lib/mail/header_addresses.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("header fields (RFC 5322 2.2)") {
  const std::string_view message = "From: a\nSubject : x\n\ty\r\n z\nX:\r\n\nbody: no\n";
  HeaderFields fields(message);
  auto field = fields.next();
  REQUIRE(field);
  CHECK(field->name == "From");
  CHECK(field->body == " a");
  field = fields.next();
  REQUIRE(field);
  CHECK(field->is("SUBJECT"));
  CHECK(field->body == " x\n\ty\r\n z");
  CHECK(unfolded(field->body) == "x\ty z");
  field = fields.next();
  REQUIRE(field);
  CHECK(field->name == "X");
  CHECK(field->body.empty());
  CHECK(field->all == "X:\r\n");
  CHECK_FALSE(fields.next());
  CHECK(message.substr(body_offset(message)) == "body: no\n");
  CHECK(find_field(message, "subject")->name == "Subject");
  CHECK_FALSE(find_field(message, "body"));
}

TEST_CASE("where a header ends") {
  CHECK(body_offset("A: b\n\nc") == 6);
  CHECK(body_offset("A: b\r\n\r\nc") == 8);
  CHECK(body_offset("A: b\nno field\n") == 5);
  CHECK(body_offset("\nbody") == 1);
  CHECK(body_offset("A: b") == 4);
  CHECK(body_offset("") == 0);
}

TEST_CASE("lines that begin a field") {
  for (const char* yes : {"A:", "A: b", "X-Y_z!: ", "Subject :x", "=?x?=: y"}) CHECK(starts_field(yes));
  for (const char* no : {"", ":", " A: b", "A b: c", "From a@b", "A\x01:", "\xe3\x81\x82: x", "A\n: b"})
    CHECK_FALSE(starts_field(no));
}

namespace {

// The raw addresses joined by '|', with "!" behind one that lacks its comma; "?" when the list cannot be
// read.
std::string list(std::string_view text) {
  const auto addresses = parse_address_list(text);
  if (!addresses) return "?";
  std::string out;
  for (const HeaderAddress& address : *addresses) {
    if (!out.empty()) out += "|";
    out += address.raw();
    if (address.is_null()) out += "<>";
    if (address.comma_missing) out += "!";
  }
  return out;
}

// As qmail-inject rewrites (qmail-header(5)), with example.jp as default host and domain.
std::string rewritten(std::string_view text) {
  const auto addresses = parse_address_list(text);
  if (!addresses) return "?";
  return rewrite_address_list(text, *addresses, [](const HeaderAddress& address) {
    if (address.is_null()) return std::string();
    if (address.domain.empty()) return address.local + "@example.jp";
    if (address.domain.find('.') == std::string::npos) return address.raw() + ".example.jp";
    return address.raw();
  });
}

}  // namespace

TEST_CASE("address lists of header fields") {
  struct Row {
    const char* text;
    const char* addresses;
    const char* source;
  };
  const Row rows[] = {
      {"a@b.jp", "a@b.jp", "RFC 5322 3.4 addr-spec"},
      {"A Person <e@f.jp>", "e@f.jp", "RFC 5322 3.4 name-addr"},
      {"a@b.jp, c@d.jp (Somebody), A Person <e@f.jp>,\n random group: g@h.jp, i@j.jp;, k@l.jp",
       "a@b.jp|c@d.jp|e@f.jp|g@h.jp|i@j.jp|k@l.jp", "qmail-header(5)"},
      {"\"Joe, the \\\"Q\\\"\" <j@x.jp>", "j@x.jp", "RFC 5322 A.1.2"},
      {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete@silly.test", "RFC 5322 A.5"},
      {"John <@x.jp,@y.jp:john@z.jp>", "john@z.jp", "RFC 5322 A.6.1 obs-route"},
      {"Undisclosed recipients:;", "", "RFC 5322 A.1.3"},
      {"jdoe @ x . jp", "jdoe@x.jp", "RFC 5322 A.6.1 obsolete spaces"},
      {"\"a b\"@x.jp, a.\"b c\".d@x.jp", "a b@x.jp|a.b c.d@x.jp", "RFC 5322 obs-local-part"},
      {"djb fred", "djb|fred!", "qmail-header(5): an illegal space"},
      {"<a@b.jp> <c@d.jp>", "a@b.jp|c@d.jp!", "qmail-header(5)"},
      {"a@[192.0.2.1], b@[IPv6:::1]", "a@[192.0.2.1]|b@[IPv6:::1]", "RFC 5322 domain-literal"},
      {", a@b.jp,,c@d.jp, ", "a@b.jp|c@d.jp", "RFC 5322 obs-addr-list"},
      {"<>", "<>", "RFC 5321: the null path in Return-Path"},
      {"a@b.jp; c@d.jp", "a@b.jp|c@d.jp", "semicolons as mail programs on Windows write them"},
      {"=?ISO-2022-JP?B?GyRCJDMbKEI=?= <a@b.jp>", "a@b.jp", "RFC 2047"},
      {"\x1b$B$3$s,<(;@\x1b(B <a@b.jp>, c@d.jp", "a@b.jp|c@d.jp", "ISO-2022-JP unencoded"},
      {"\"\x1b$B\"\"\x1b(B\" <a@b.jp>", "a@b.jp", "ISO-2022-JP in quotes"},
      {"鳩 <鳩@例え.jp>", "鳩@例え.jp", "RFC 6532"},
      {"a..b@docomo.ne.jp, a.@ezweb.ne.jp", "a..b@docomo.ne.jp|a.@ezweb.ne.jp", "Japanese carriers"},
      {"smile :) <a@b.jp>", "a@b.jp", "a stray parenthesis"},
      {"[ML] Members <ml@b.jp>", "ml@b.jp", "brackets in a name"},
      {"\x8e\x52\x83\x5c\x83\x5b <a@b.jp>", "a@b.jp", "Shift_JIS with \\ and [ as second bytes"},
      {"\"\x83\x5c\" <a@b.jp>", "a@b.jp", "Shift_JIS that ends in \\ in quotes"},
      {"\"鳩\\\"\" <a@b.jp>", "a@b.jp", "a quoted pair behind UTF-8"},
      {"\"open <a@b.jp>", "?", "an open quote"},
      {"(open <a@b.jp>", "?", "an open comment"},
      {"a@[1.2", "?", "an open literal"},
      {"x <a@b.jp", "?", "an open bracket"},
      {"a@b.jp>", "?", "a bracket too many"},
      {"", "", "nothing"},
  };
  for (const Row& row : rows) {
    INFO(row.text << ": " << row.source);
    CHECK(list(row.text) == row.addresses);
  }
}

TEST_CASE("address lists rewritten (qmail-header(5))") {
  struct Row {
    const char* text;
    const char* expected;
  };
  const Row rows[] = {
      {" djb@silverton, Fred\n <fred>", " djb@silverton.example.jp, Fred\n <fred@example.jp>"},
      {" djb fred", " djb@example.jp, fred@example.jp"},
      {" <a@b.jp> (x>y) c", " <a@b.jp>, (x>y) c@example.jp"},
      {" <@r.jp:a@b.jp>, <>", " <a@b.jp>, <>"},
      {" \"a b\", a..b@docomo.ne.jp", " \"a b\"@example.jp, a..b@docomo.ne.jp"},
      {" a . b @ c . jp", " a . b @ c . jp"},
      {" g: a, b;", " g: a@example.jp, b@example.jp;"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(rewritten(row.text) == row.expected);
  }
}

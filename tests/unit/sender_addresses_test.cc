// Default envelope senders of local users: users/cdb, control/cgisenders, /etc/passwd.

#include "qmail-send/sender_addresses.h"
#include "lib/base/error.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

SenderAddresses addresses(const std::vector<std::string>& lines) {
  SenderAddresses all;
  all.host = "host.example";
  all.cgi = CgiSenders(lines, "cgisenders");
  all.assigned.add(500, "abc-info", 0);
  all.assigned.add(500, "abc", 2);
  all.assigned.add(501, "first", 1);
  all.assigned.add(501, "second", 1);
  all.assigned.add(33, "www", 1);
  all.assigned.sort();
  all.accounts.add(500, "account-abc");
  all.accounts.add(600, "xyz");
  all.accounts.add(601, "info@customer.example");
  all.accounts.add(602, "one");
  all.accounts.add(602, "two@customer.example");
  all.accounts.add(34, "three");
  all.accounts.add(34, "four");
  all.accounts.add(34, "five");
  all.accounts.sort(Several::none);
  all.passwd.add(600, "system-xyz");
  all.passwd.add(500, "system-abc");
  all.passwd.add(33, "www-data");
  all.passwd.add(34, "backup");
  all.passwd.add(34, "other");
  all.passwd.sort();
  return all;
}

}  // namespace

TEST_CASE("whose script it was (control/cgisenders)") {
  struct Row {
    uid_t uid;
    const char* script;
    const char* server;
    const char* expected;
    const char* source;
  };
  const Row rows[] = {
      {500, "", "", "abc@host.example", "users/assign, the mailbox itself"},
      {501, "", "", "first@host.example", "users/assign, the first of two"},
      {34, "", "", "backup@host.example", "/etc/passwd"},
      {600, "", "", "xyz@host.example", "an account"},
      {601, "", "", "info@customer.example", "an account whose login is an address"},
      {602, "", "", "", "two accounts: nobody knows which"},
      {999, "", "", "", "nobody knows him"},
      {33, "", "", "web@x.example", "cgisenders: a uid that is named there is the web server's"},
      {33, "/home/abc/form.cgi", "", "abc@y.example", "the script"},
      {33, "/home/abc", "", "abc@y.example", "the beginning itself"},
      {33, "/home/abcd/form.cgi", "", "web@x.example", "whole parts only"},
      {33, "/home/abc/shop/cart.php", "", "shop@y.example", "the longest"},
      {33, "/home/abc/../root/x", "www.b.example", "b@y.example", "no .. in a path"},
      {33, "/home/abc//x", "", "web@x.example", "no empty part"},
      {33, "home/abc/x", "", "web@x.example", "no relative path"},
      {33, "", "WWW.b.example", "b@y.example", "the server"},
      {33, "", "b.example", "web@x.example", "the server's parent is another"},
      {33, "", "a.c.example", "c@y.example", "below .c.example"},
      {33, "", "c.example", "web@x.example", "not itself"},
      {33, "", "xn--r8jz45g.jp", "idn@y.example", "A-label and U-label"},
      {500, "/home/xyz/x", "www.b.example", "abc@host.example", "a customer's own uid decides"},
      {600, "/home/abc/x", "", "xyz@host.example", "an account's, too"},
      {602, "/home/abc/x", "", "abc@y.example", "but not one that several accounts have"},
      {34, "/home/abc/x", "", "abc@y.example", "a script comes before /etc/passwd"},
      {999, "", "www.b.example", "b@y.example", "and before nobody"},
  };
  const SenderAddresses all =
      addresses({"33 web@x.example", "/home/abc/\tabc@y.example", "/home/abc/shop  shop@y.example",
                 "www.b.example b@y.example", ".c.example c@y.example", "例え.jp idn@y.example",
                 "www.b.example later@y.example"});
  for (const Row& row : rows) {
    INFO(row.uid << " " << row.script << " " << row.server << ": " << row.source);
    CHECK(all.address(row.uid, row.script, row.server) == row.expected);
  }
  CHECK(all.asks_script(33));
  CHECK(all.asks_script(999));
  CHECK_FALSE(all.asks_script(500));
  CHECK_FALSE(all.asks_script(600));
  CHECK(all.asks_script(602));
  CHECK_FALSE(addresses({"33 web@x.example"}).asks_script(33));
  CHECK(addresses({"/ all@y.example"}).address(999, "/srv/x", "") == "all@y.example");
  CHECK(addresses({}).address(33, "/srv/x", "") == "www@host.example");
}

TEST_CASE("a line of cgisenders that makes no sense is refused with its text") {
  for (const char* line :
       {"33", "33 a@b.example c", "33 a", "33 @b.example", "33 a@", "99999999999 a@b.example",
        "4294967295 a@b.example", "/a/../b a@b.example", "x.example a\001@b.example"}) {
    INFO(line);
    CHECK_THROWS_AS(CgiSenders({line}, "control/cgisenders"), TempError);
  }
}

TEST_CASE("simple assignments of users/cdb") {
  const std::string to = "abc\0"s + "500\0"s + "500\0"s + "/home/abc\0"s;
  const std::string abc = "!abc\0"s, info = "!info\0"s, extension = "!abc-info\0"s;
  const auto name = assigned_name(abc, to + "\0"s);
  REQUIRE(name);
  CHECK(name->uid == 500);
  CHECK(name->local == "abc");
  CHECK(name->rank == 2);
  CHECK(assigned_name(info, to + "\0"s)->rank == 1);
  CHECK(assigned_name(extension, to + "-\0info"s)->rank == 0);
  CHECK_FALSE(assigned_name("!abc-", to + "-\0"s));  // a wildcard
  CHECK_FALSE(assigned_name("", "-"));
  CHECK_FALSE(assigned_name(abc, "abc"));
}

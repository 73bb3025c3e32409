// Whose a local recipient is (lib/store/recipients.h): tables in a home made for the test.
#include "lib/store/recipients.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"
#include "tests/users_cdb.h"

using namespace hato;
using namespace hato::test;

namespace {

class Home {
 public:
  Home() {
    for (const char* part : {"control", "users"}) scratch.directory(part);
  }
  void control(const std::string& name, const std::string& text) const {
    scratch.write("control/" + name, text);
  }
  void users(const std::vector<std::string>& lines) const {
    write_users_cdb(path + "/users/cdb", lines, "-@");
  }
  // Logins, a blank and the own domain behind one that has one; uids count from 1001.
  void accounts(const std::vector<std::string>& logins) const {
    CdbWriter cdb(path + accounts_file);
    uid_t uid = 1000;
    for (const std::string& each : logins) {
      const std::size_t blank = std::min(each.find(' '), each.size());
      Account account;
      account.login = each.substr(0, blank);
      account.uid = account.gid = ++uid;
      account.home = "/home/" + account.login;
      if (blank < each.size()) {
        account.domains.push_back(each.substr(blank + 1));
        cdb.add("d" + account.domains[0], account.login);
      }
      cdb.add("a" + account.login, encode_account(account));
      if (const std::size_t at = account.login.rfind('@'); at != std::string::npos)
        cdb.add("D" + account.login.substr(at + 1), "");
    }
    cdb.add("", encode_generation(1));
    cdb.commit();
  }
  ScratchDirectory scratch;
  std::string path = scratch.path();
};

std::string told(const Resolution& found) {
  if (const AskGetpw* ask = std::get_if<AskGetpw>(&found))
    return "getpw " + ask->local + (ask->ext ? " whole [" + *ask->ext + "]" : "");
  if (std::holds_alternative<NoMailbox>(found)) return "nobody";
  const LocalUser& user = std::get<LocalUser>(found);
  return user.to.user + " [" + user.to.dash + "][" + user.to.ext + "]" + (user.account ? " account" : "") +
         (user.any ? " any" : "");
}

// A hosting provider.
void set_up(const Home& home) {
  home.control("locals", "pobox.example\nmixed.example\n");
  home.control("virtualdomains",
               "hand.example:joe\n.hand.pobox.example:jane\nvirt.example:info@logins.example\n"
               "joe.pobox.example:joe-a\n");
  home.control("subdomains", "pobox.example\n");
  home.accounts({"abc firm.example", "abc-info", "info", "x.y", "info@logins.example",
                 "info-x@logins.example", "sales@mixed.example", "日本", "xn--wgv71a",
                 "boss@logins.example bossdomain.example", "joe", "joe-a", "a+b"});
}

struct Row {
  const char *local, *domain, *found, *source;
};

void check(Recipients& recipients, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.local, row.domain, row.source);
    CHECK(told(recipients.find(row.local, row.domain)) == row.found);
  }
}

}  // namespace

TEST_CASE("without accounts: users/cdb, then qmail-getpw", "[recipients]") {
  const Home home;
  Recipients recipients(home.path);
  check(recipients, {{"joe-x", "any.example", "getpw joe-x", "no tables at all"}});
  home.users({"=joe:joe:507:100:/home/joe:::", "+joe-:joe:507:100:/home/joe:-::"});
  check(recipients, {{"Joe", "any.example", "joe [][]", "users/cdb, at once"},
                     {"joe-X", "any.example", "joe [-][X]", "the extension as written"},
                     {"jim", "any.example", "getpw jim", "unknown there"}});
  home.users({"+:alias:7790:2108:/alias:-::"});
  check(recipients,
        {{"jim", "any.example", "alias [-][jim]", "the wildcard for everything: nobody is asked"}});
}

TEST_CASE("an account in the operator's domains", "[recipients]") {
  const Home home;
  set_up(home);
  Recipients recipients(home.path);
  check(recipients,
        {{"abc", "pobox.example", "abc [][] account", "the login"},
         {"ABC", "POBOX.Example", "abc [][] account", "in any case"},
         {"abc-Foo", "pobox.example", "abc [-][Foo] account", "an extension, which needs a rule"},
         {"abc-", "pobox.example", "abc [-][] account", "an empty one"},
         {"abc-info", "pobox.example", "abc-info [][] account", "the longest login"},
         {"abc-info-x", "pobox.example", "abc-info [-][x] account", "likewise"},
         {"abc+info", "pobox.example", "getpw abc+info", "not a separator, by conf-break"},
         {"a+b", "pobox.example", "a+b [][] account", "a login with a +"},
         {"x.y", "pobox.example", "x.y [][] account", "a login with a dot"},
         {"x.y-z", "pobox.example", "x.y [-][z] account", "and its extension"},
         {"日本", "pobox.example", "日本 [][] account", "UTF-8"},
         {"日本-語", "pobox.example", "日本 [-][語] account", "UTF-8"},
         {"nobody", "pobox.example", "getpw nobody", "no account"},
         {"-abc", "pobox.example", "getpw -abc", "a dash in front"},
         {"", "pobox.example", "getpw ", "nothing"},
         {"abc-../../etc/passwd", "pobox.example", "abc [-][../../etc/passwd] account", "kept as it is"},
         {"abc-x%00y", "pobox.example", "abc [-][x%00y] account", "kept as it is"},
         {"abc-x\ny", "pobox.example", "abc [-][x\ny] account", "kept as it is"},
         {"info@logins.example", "pobox.example", "getpw info@logins.example",
          "a local part with an @ is no address"},
         {"joe-a", "hand.example", "joe-a [][] account", "a virtual domain by hand, as in qmail"},
         {"joe-b", "hand.example", "joe [-][b] account", "likewise"},
         {"joe-b", "elsewhere.example", "getpw joe-b", "no domain of ours: not by accounts"},
         {"info@logins.example-x", "virt.example", "info@logins.example [-][x] account",
          "virtualdomains may name a login that is an address"}});
}

TEST_CASE("subdomains: the account, any extension, nobody else", "[recipients]") {
  const Home home;
  set_up(home);
  Recipients recipients(home.path);
  check(recipients,
        {{"abc-foo", "abc.pobox.example", "abc [-][foo] account any", "the account by its domain"},
         {"abc-Foo", "ABC.pobox.EXAMPLE", "abc [-][Foo] account any", "in any case"},
         {"abc-info", "abc.pobox.example", "abc [-][info] account any",
          "not the account abc-info: nobody can take another's address by his name"},
         {"abc-info-x", "abc.pobox.example", "abc [-][info-x] account any", "likewise"},
         {"abc-info-x", "abc-info.pobox.example", "abc-info [-][x] account any", "that is abc-info's"},
         {"abc-", "abc.pobox.example", "abc [-][] account any", "an empty extension"},
         {"abc--x", "abc.pobox.example", "abc [-][-x] account any", "a dash in front"},
         {"abc-../x", "abc.pobox.example", "abc [-][../x] account any", "kept as it is"},
         {"x.y-z", "x.y.pobox.example", "x.y [-][z] account any", "a login with a dot"},
         {"xn--wgv71a-x", "日本.pobox.example", "xn--wgv71a [-][x] account any", "the A-label is the login"},
         {"nosuch-x", "nosuch.pobox.example", "getpw nosuch whole [x]", "a user of the system, perhaps"},
         {"jane-x", "a.hand.pobox.example", "getpw jane-x", "a virtual domain by hand"},
         {"joe-a-z", "joe.pobox.example", "joe-a [-][z] account", "likewise, of another account"},
         {"nosuch", "abc.pobox.example", "nobody", "not what the router makes of an address there"}});
  home.control("virtualdomains", ":abc\n");
  Recipients for_all(home.path);
  check(for_all, {{"abc-info", "abc.pobox.example", "abc [-][info] account any",
                   "the line for everything changes nothing"},
                  {"abc-info", "elsewhere.example", "abc-info [][] account", "elsewhere it is as in qmail"}});
  home.control("systemusers", "0\n");
  Recipients without(home.path);
  check(without, {{"nosuch-x", "nosuch.pobox.example", "nobody", "control/systemusers"},
                  {"abc-info-x", "abc-inf.pobox.example", "nobody", "the router never puts that in front"},
                  {"nosuch", "pobox.example", "alias [-][nosuch]", "alias, who may have .qmail-nosuch"}});
}

TEST_CASE("own domains and domains of logins", "[recipients]") {
  const Home home;
  set_up(home);
  Recipients recipients(home.path);
  check(recipients,
        {{"abc-info", "firm.example", "abc [-][info] account any", "not abc-info's"},
         {"abc-a-b", "Firm.Example", "abc [-][a-b] account any", "in any case"},
         {"boss@logins.example-x", "bossdomain.example", "boss@logins.example [-][x] account any",
          "of a login that is an address"},
         {"info", "logins.example", "info@logins.example [][] account any", "not the account info"},
         {"Info", "LOGINS.example", "info@logins.example [][] account any", "in any case"},
         {"info-y", "logins.example", "info@logins.example [-][y] account any", "its extension"},
         {"info-x-y", "logins.example", "info-x@logins.example [-][y] account any", "the longest"},
         {"abc", "logins.example", "nobody", "an account, but not there"},
         {"root", "logins.example", "nobody", "the system's users are not there"},
         {"sales", "mixed.example", "sales@mixed.example [][] account any", "a domain of locals with logins"},
         {"abc", "mixed.example", "abc [][] account", "and with all others"},
         {"joe", "mixed.example", "joe [][] account", "likewise"},
         {"zoe", "mixed.example", "getpw zoe", "and with the system's users"}});
}

TEST_CASE("users/assign by hand wins", "[recipients]") {
  const Home home;
  set_up(home);
  home.users(
      {"=abc:byhand:99:99:/h:::", "+abc-:byhand:99:99:/h:-::", "=info:info:1003:1003:/home/info:::",
       "=boss@logins.example:byhand:99:99:/h:::", "=abc-al:alias:98:98:/a:-:al:", "+:alias:98:98:/a:-::"});
  Recipients recipients(home.path);
  check(recipients,
        {{"abc", "pobox.example", "byhand [][]", "before the account"},
         {"abc-foo", "abc.pobox.example", "byhand [-][foo] any", "in the subdomain, too"},
         {"abc-foo", "firm.example", "byhand [-][foo] any", "and in its own domain"},
         {"abc-al", "abc.pobox.example", "alias [-][al]", "alias takes nothing without a rule"},
         {"info", "pobox.example", "info [][] account", "the account beside it, when the uid is his"},
         {"info", "logins.example", "info@logins.example [][] account any",
          "a name there is not that address here"},
         {"boss", "logins.example", "byhand [][] any", "the whole address is"},
         {"joe", "pobox.example", "joe [][] account", "an account before the wildcard for everything"},
         {"zoe", "pobox.example", "alias [-][zoe]", "which takes the rest"},
         {"nosuch-x", "nosuch.pobox.example", "nobody", "but no unknown subdomain's"}});
}

TEST_CASE("what qmail-getpw's answer means", "[recipients]") {
  const Home home;
  home.accounts({"joe"});
  Recipients recipients(home.path);
  const AskGetpw plain{"joe-x", std::nullopt}, whole{"joe", "x"};
  const Assignment joe{"joe", 1001, 1001, "/home/joe", "", ""}, other{"joe", 7, 7, "/home/joe", "-", "x"},
      alias{conf::user_alias, 8, 8, "/a", "-", "joe"}, alias_itself{conf::user_alias, 8, 8, "/a", "", ""};
  CHECK(told(recipients.answered(plain, other)) == "joe [-][x]");
  CHECK(told(recipients.answered(plain, joe)) == "joe [][] account");
  CHECK(told(recipients.answered(plain, alias)) == std::string(conf::user_alias) + " [-][joe]");
  CHECK(told(recipients.answered(whole, joe)) == "joe [-][x] account any");
  CHECK(told(recipients.answered(whole, other)) == "nobody");  // "joe" is somebody's extension
  CHECK(told(recipients.answered(whole, alias)) == "nobody");
  CHECK(told(recipients.answered(whole, alias_itself)) == "nobody");
}

TEST_CASE("accounts are seen at once; a damaged table is no decision", "[recipients]") {
  const Home home;
  set_up(home);
  home.control("systemusers", "0\n");
  Recipients recipients(home.path);
  CHECK(told(recipients.find("new-x", "new.pobox.example")) == "nobody");
  home.accounts({"new"});
  CHECK(told(recipients.find("new-x", "new.pobox.example")) == "new [-][x] account any");
  CHECK(told(recipients.find("abc-x", "abc.pobox.example")) == "nobody");
  CdbWriter cdb(home.path + accounts_file);
  cdb.add("anew", "rubbish");
  cdb.commit();
  CHECK_THROWS_AS(recipients.find("new-x", "new.pobox.example"), TempError);
}

TEST_CASE("what qmail-local hears of an account", "[recipients]") {
  LocalUser user{{"abc", 5, 6, "/home/abc", "-", "x"}, std::nullopt, false};
  CHECK(default_delivery_of(user, "./Mailbox") == "./Mailbox");
  CHECK(account_variable_of(user, "./Mailbox").empty());
  user.any = true;
  const std::optional<AccountInEnvironment> made =
      parse_account_variable(account_variable_of(user, "./Mailbox"));
  REQUIRE(made);
  CHECK(made->any);
  CHECK(made->account.login == "abc");
  CHECK(made->account.mailbox == "./Mailbox");
  user.account = made->account;
  user.account->mailbox = "./Other/";
  user.any = false;
  CHECK(default_delivery_of(user, "./Mailbox") == "./Other/");
  CHECK(parse_account_variable(account_variable_of(user, "./Mailbox"))->account == *user.account);
}

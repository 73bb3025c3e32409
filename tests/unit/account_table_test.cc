// The writer of the accounts' files, and what it refuses (lib/store/account_table.h, account_check.h,
// account_json.h).
#include "lib/store/account_table.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/password_hash.h"
#include "lib/store/account_audit.h"
#include "lib/store/account_check.h"
#include "lib/store/account_json.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

struct UsersDirectory {
  ScratchDirectory scratch;
  std::string path = scratch.path();
  AccountTable table() const { return AccountTable(path, std::nullopt); }
  Accounts accounts() const { return Accounts(path + "/accounts.cdb"); }
  AccountSecrets secrets() const { return AccountSecrets(path + "/secrets.cdb"); }
};

Account account_of(const std::string& login, std::vector<std::string> domains = {}) {
  Account account;
  account.login = login;
  account.uid = account.gid = 1000;
  account.home = "/home/" + login;
  account.domains = std::move(domains);
  return account;
}

AccountSecret secret_of(const std::string& hash) {
  AccountSecret secret;
  secret.hash = hash;
  return secret;
}

}  // namespace

TEST_CASE("account check: logins", "[account-table]") {
  for (const char* good :
       {"abc", "a", "0", "a.b-c_d+e", "info@customer.example", "鳩", "a@xn--wgv71a.example"})
    CHECK_FALSE(refuse_login(good));
  const std::string bad = GENERATE(
      "", "Abc", ".abc", "-abc", "a..b", "a/b", "../x", "a b", "a\nb", "a\0b"s, "a:b", "a=b", "@x.example",
      "a@", "a@X.example", "a@[192.0.2.1]", "a@example", "a@x..example", "a%b", "a@x.ex/ample", "\xff",
      "root", "postmaster", "mailer-daemon", "alias", "qmaild", "a\xc2\x85", "a@日本.example");
  CAPTURE(bad);
  CHECK(refuse_login(bad));
  CHECK(refuse_login(std::string(65, 'a')));
  CHECK_FALSE(refuse_login(std::string(64, 'a')));
}

TEST_CASE("account check: the other fields", "[account-table]") {
  struct Row {
    const char* what;
    std::function<void(Account&)> change;
    bool good;
  };
  const std::vector<Row> rows = {{"as it is", [](Account&) {}, true},
                                 {"uid 0", [](Account& a) { a.uid = 0; }, false},
                                 {"uid -1", [](Account& a) { a.uid = 4294967295; }, false},
                                 {"gid 0", [](Account& a) { a.gid = 0; }, false},
                                 {"relative home", [](Account& a) { a.home = "home/abc"; }, false},
                                 {"no home", [](Account& a) { a.home = ""; }, false},
                                 {"home /", [](Account& a) { a.home = "/"; }, false},
                                 {"home ..", [](Account& a) { a.home = "/home/../etc"; }, false},
                                 {"home .", [](Account& a) { a.home = "/home/./x"; }, false},
                                 {"home //", [](Account& a) { a.home = "/home//x"; }, false},
                                 {"home x/", [](Account& a) { a.home = "/home/x/"; }, false},
                                 {"home newline", [](Account& a) { a.home = "/home/x\ny"; }, false},
                                 {"mailbox", [](Account& a) { a.mailbox = "./Mail/box"; }, true},
                                 {"mailbox absolute", [](Account& a) { a.mailbox = "/var/mail/abc"; }, true},
                                 {"mailbox program", [](Account& a) { a.mailbox = "|rm"; }, false},
                                 {"mailbox forward", [](Account& a) { a.mailbox = "&a@b.example"; }, false},
                                 {"mailbox empty", [](Account& a) { a.mailbox = ""; }, false},
                                 {"mailbox ./", [](Account& a) { a.mailbox = "./"; }, false},
                                 {"mailbox ../", [](Account& a) { a.mailbox = "./../x/"; }, false},
                                 {"mailbox //", [](Account& a) { a.mailbox = "./x//"; }, false},
                                 {"mailbox line", [](Account& a) { a.mailbox = "./x/\n|rm"; }, false},
                                 {"contract", [](Account& a) { a.contract = "a b"; }, false},
                                 {"domain",
                                  [](Account& a) {
                                    a.domains = {"one.example", "two.example"};
                                  },
                                  true},
                                 {"domain twice",
                                  [](Account& a) {
                                    a.domains = {"one.example", "one.example"};
                                  },
                                  false},
                                 {"domain form", [](Account& a) { a.domains = {"One.example"}; }, false},
                                 {"domain dot", [](Account& a) { a.domains = {"localhost"}; }, false},
                                 {"domain literal", [](Account& a) { a.domains = {"[192.0.2.1]"}; }, false}};
  for (const Row& row : rows) {
    Account account = account_of("abc");
    row.change(account);
    CAPTURE(row.what);
    CHECK(refuse_account(account).has_value() != row.good);
  }
}

TEST_CASE("account table: what is put is found", "[account-table]") {
  const UsersDirectory users;
  {
    AccountTable table = users.table();
    CHECK(table.next_generation() == 1);
    table.put(account_of("abc", {"one.example"}));
    table.put(account_of("info@two.example"));
    table.put_secret("abc", secret_of("$y$1"));
    table.commit();
  }
  Accounts accounts = users.accounts();
  CHECK(accounts.find("abc") == account_of("abc", {"one.example"}));
  CHECK(accounts.owner_of("one.example") == "abc");
  CHECK(accounts.has_logins_in("two.example"));
  CHECK(accounts.generation() == 1);
  CHECK(users.secrets().find("abc")->hash == "$y$1");
  CHECK_FALSE(users.secrets().find("info@two.example"));
  {
    AccountTable table = users.table();
    table.put(account_of("abc", {"three.example"}));
    table.remove("info@two.example");
    table.commit();
  }
  CHECK(accounts.generation() == 2);
  CHECK_FALSE(accounts.owner_of("one.example"));
  CHECK(accounts.owner_of("three.example") == "abc");
  CHECK_FALSE(accounts.has_logins_in("two.example"));
  CHECK(users.secrets().find("abc")->hash == "$y$1");
  struct stat st {};
  REQUIRE(stat((users.path + "/secrets.cdb").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0400);
}

TEST_CASE("account table: one domain, one owner", "[account-table]") {
  const UsersDirectory users;
  AccountTable table = users.table();
  table.put(account_of("abc", {"one.example"}));
  CHECK_THROWS_AS(table.put(account_of("def", {"one.example"})), PermError);
  CHECK_THROWS_AS(table.put(account_of("x@one.example")), PermError);
  CHECK_THROWS_AS(table.put(account_of("y@two.example", {"two.example"})), PermError);
  table.put(account_of("x@two.example"));
  CHECK_THROWS_AS(table.put(account_of("def", {"two.example"})), PermError);
  table.commit();
}

TEST_CASE("account table: one domain, one owner, also against the file", "[account-table]") {
  const UsersDirectory users;
  {
    AccountTable table = users.table();
    table.put(account_of("abc", {"one.example"}));
    table.put(account_of("x@two.example"));
    table.commit();
  }
  AccountTable table = users.table();
  CHECK_THROWS_AS(table.put(account_of("def", {"one.example"})), PermError);
  CHECK_THROWS_AS(table.put(account_of("x@one.example")), PermError);
  CHECK_THROWS_AS(table.put(account_of("def", {"two.example"})), PermError);
  // given up within the same change
  table.put(account_of("abc"));
  table.put(account_of("def", {"one.example"}));
  table.commit();
  CHECK(users.accounts().owner_of("one.example") == "def");
}

TEST_CASE("account table: a login made anew does not have the old one's secret", "[account-table]") {
  const UsersDirectory users;
  // as after a kill between the two files: the secret is there, the account is not
  {
    CdbWriter secrets(users.path + "/secrets.cdb", 0400);
    secrets.add("", encode_generation(7));
    secrets.add("aabc", "hash=$y$old\n");
    secrets.add("adef", "hash=$y$def\n");
    secrets.commit();
  }
  {
    AccountTable table = users.table();
    CHECK(table.next_generation() == 8);
    CHECK(table.secret("abc").hash.empty());
    table.put(account_of("abc"));
    CHECK(table.secret("abc").hash.empty());
    table.commit();
  }
  CHECK_FALSE(users.secrets().find("abc"));
  CHECK_FALSE(users.secrets().find("def"));  // dropped with it: there is no such account
  CHECK(users.accounts().generation() == 8);
}

TEST_CASE("account table: unknown lines and records stay", "[account-table]") {
  const UsersDirectory users;
  {
    CdbWriter accounts(users.path + "/accounts.cdb");
    accounts.add("", encode_generation(1));
    accounts.add("aabc", "uid=1\ngid=1\nhome=/h\ncolour=blue\n");
    accounts.add("xlater", "of a later version");
    accounts.commit();
  }
  {
    AccountTable table = users.table();
    Account account = *table.account("abc");
    account.quota_bytes = 5;
    table.put(account);
    table.put(account_of("def"));
    table.commit();
  }
  CHECK(users.accounts().find("abc")->others == "colour=blue\n");
  CHECK(Cdb::open(users.path + "/accounts.cdb")->find("xlater") == "of a later version");
}

TEST_CASE("account table: contracts", "[account-table]") {
  const UsersDirectory users;
  Contract contract;
  contract.name = "c1";
  contract.directories = {"/home"};
  Account account = account_of("abc");
  account.contract = "c1";
  {
    AccountTable table = users.table();
    CHECK_THROWS_AS(table.put(account), PermError);
    CHECK_THROWS_AS(table.put(Contract()), PermError);
    table.put(contract);
    table.put(account);
    CHECK_THROWS_AS(table.remove_contract("c1"), PermError);
    table.commit();
  }
  CHECK(users.accounts().contract("c1") == contract);
  {
    AccountTable table = users.table();
    CHECK_THROWS_AS(table.remove_contract("c1"), PermError);
    CHECK_THROWS_AS(table.remove_contract("c2"), PermError);
    table.remove("abc");
    table.remove_contract("c1");
    table.commit();
  }
  CHECK_FALSE(users.accounts().contract("c1"));
}

TEST_CASE("account table: what is not there", "[account-table]") {
  const UsersDirectory users;
  AccountTable table = users.table();
  CHECK_THROWS_AS(table.remove("abc"), PermError);
  CHECK_THROWS_AS(table.put_secret("abc", secret_of("x")), PermError);
  CHECK_FALSE(table.account("abc"));
}

TEST_CASE("account JSON: what is written is read", "[account-table]") {
  Account account = account_of("abc", {"one.example"});
  account.quota_bytes = 1000;
  account.send = false;
  account.others = "colour=blue\n";
  AccountSecret secret = secret_of("$y$1");
  secret.shared = "tanstaaf";
  const std::string json = account_json(account, &secret);
  CHECK(
      json ==
      "{\"login\":\"abc\",\"uid\":1000,\"gid\":1000,\"home\":\"/home/abc\",\"mailbox\":\"./Maildir/\","
      "\"quota_bytes\":1000,\"quota_messages\":0,\"contract\":\"\",\"domains\":[\"one.example\"],\"send\":"
      "false,"
      "\"relay\":false,\"vrfy\":false,\"etrn\":false,\"nocert\":false,\"oversize\":false,\"programs\":false,"
      "\"others\":\"colour=blue\\u000a\",\"hash\":\"$y$1\",\"shared_secret\":\"tanstaaf\"}");
  Account read;
  AccountSecret read_secret;
  set_from_json(read, read_secret, JsonValue::parse(json));
  CHECK(read == account);
  CHECK(read_secret == secret);
  for (const char* bad : {"[]", "{\"uid\":\"x\"}", "{\"uid\":-1}", "{\"uid\":4294967296}", "{\"colour\":1}",
                          "{\"send\":1}", "{\"domains\":\"x\"}", "{\"domains\":[1]}",
                          "{\"others\":\"uid=0\\n\"}", "{\"others\":\"x\"}", "{\"login\":1}"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(set_from_json(read, read_secret, JsonValue::parse(bad)), PermError);
  }
}

TEST_CASE("account audit: a line", "[account-table]") {
  CHECK(
      audit_line(1000000000, 12, {0, "panel\n", ""}, {"set", "abc", "{\"a\":1}", "{\"a\":2}", "password"}) ==
      "{\"time\":\"2001-09-09T01:46:40Z\",\"generation\":12,\"uid\":0,\"sudo_user\":\"panel\\u000a\","
      "\"verb\":"
      "\"set\","
      "\"name\":\"abc\",\"secrets\":\"password\",\"before\":{\"a\":1},\"after\":{\"a\":2}}\n");
}

TEST_CASE("password hash", "[account-table]") {
  const std::string hash = hash_password("correct horse");
  CHECK(hash.starts_with("$y$"));
  CHECK(hash != hash_password("correct horse"));
  CHECK(password_matches("correct horse", hash));
  CHECK_FALSE(password_matches("correct hors", hash));
  CHECK_FALSE(password_matches("correct horse\0x"s, hash));
  CHECK_FALSE(password_matches("", ""));
  CHECK_FALSE(password_matches("correct horse", "!" + hash));
  CHECK(is_password_hash(hash));
  CHECK(is_password_hash(
      "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."));
  for (const char* bad : {"", "!", "*", "x", "$y$j9T$abc", "$6$salt", "plain text"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_password_hash(bad));
  }
  CHECK_THROWS_AS(hash_password(std::string(600, 'x')), PermError);
}

// qmail-account's command line (admin/account_command.h).
#include "admin/account_command.h"

#include "lib/base/error.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("account command: add", "[account-command]") {
  const AccountCommand command =
      parse_account_command({"add", "ABC", "--uid", "1000", "--gid=1001", "--home", "/home/abc", "--quota",
                             "10M", "--messages", "100", "--domain", "Customer.Example", "--no-send",
                             "--relay", "--password", "--shared", "--create", "--json"});
  CHECK(command.verb == AccountVerb::add);
  CHECK(command.name == "abc");
  CHECK(command.json);
  CHECK(command.create);
  CHECK(command.password.from == PasswordChange::From::password);
  CHECK(command.password.shared);
  Account account;
  command.account.apply_to(account);
  CHECK(account.uid == 1000);
  CHECK(account.gid == 1001);
  CHECK(account.home == "/home/abc");
  CHECK(account.quota_bytes == 10485760);
  CHECK(account.quota_messages == 100);
  CHECK(account.domains == std::vector<std::string>{"customer.example"});
  CHECK_FALSE(account.send);
  CHECK(account.relay);
}

TEST_CASE("account command: set", "[account-command]") {
  Account account;
  account.login = "abc";
  account.domains = {"one.example", "two.example"};
  account.contract = "c1";
  parse_account_command({"set", "abc", "--no-domain", "ONE.example", "--domain", "two.example", "--contract",
                         "none", "--quota", "none"})
      .account.apply_to(account);
  CHECK(account.domains == std::vector<std::string>{"two.example"});
  CHECK(account.contract.empty());
  CHECK_THROWS_AS(parse_account_command({"set", "abc", "--no-domain", "x.example"}).account.apply_to(account),
                  PermError);
}

TEST_CASE("account command: the rest", "[account-command]") {
  CHECK(parse_account_command({"passwd", "abc"}).password.from == PasswordChange::From::password);
  CHECK(parse_account_command({"passwd", "abc", "--shared"}).password.from == PasswordChange::From::password);
  CHECK(parse_account_command({"passwd", "abc", "--hash"}).password.from == PasswordChange::From::hash);
  CHECK(parse_account_command({"passwd", "--old", "abc"}).password.old);
  CHECK(parse_account_command({"passwd", "abc", "--lock"}).password.from == PasswordChange::From::nowhere);
  CHECK(parse_account_command({"--json", "list"}).verb == AccountVerb::list);
  CHECK(parse_account_command({"delete", "--", "--odd"}).name == "--odd");
  CHECK(parse_account_command({"import", "--update"}).update);
  CHECK(parse_account_command({"export", "--secrets"}).secrets);
  const AccountCommand contract = parse_account_command(
      {"contract", "add", "c1", "--directory", "/a", "--file-system", "project:7", "--quota=1G"});
  CHECK(contract.verb == AccountVerb::contract_add);
  Contract made;
  contract.contract.apply_to(made);
  CHECK(made.kind == Contract::Kind::project);
  CHECK(made.id == 7);
  CHECK(made.quota_bytes == 1073741824);
  CHECK(made.directories == std::vector<std::string>{"/a"});
}

TEST_CASE("account command: what cannot be meant", "[account-command]") {
  const std::vector<std::string> words =
      GENERATE(values<std::vector<std::string>>({{},
                                                 {"frob"},
                                                 {"contract"},
                                                 {"contract", "frob"},
                                                 {"add"},
                                                 {"add", "a", "b"},
                                                 {"list", "a"},
                                                 {"add", "a", "--frob"},
                                                 {"add", "a", "--uid"},
                                                 {"add", "a", "--uid", "x"},
                                                 {"add", "a", "--uid", "4294967296"},
                                                 {"add", "a", "--quota", "1X"},
                                                 {"add", "a", "--quota", "9999999999999T"},
                                                 {"add", "a", "--messages", "many"},
                                                 {"add", "a", "--send=1"},
                                                 {"add", "a", "--shared"},
                                                 {"add", "a", "--no-domain", "x.example"},
                                                 {"set", "a", "--password"},
                                                 {"passwd", "a", "--hash", "--shared"},
                                                 {"passwd", "a", "--lock", "--unlock"},
                                                 {"passwd", "a", "--lock", "--hash"},
                                                 {"passwd", "a", "--old", "--hash"},
                                                 {"passwd", "a", "--old", "--lock"},
                                                 {"add", "a", "--old"},
                                                 {"contract", "add", "c", "--file-system", "user"},
                                                 {"contract", "add", "c", "--file-system", "directories:1"},
                                                 {"contract", "set", "c", "--uid", "1"}}));
  CHECK_THROWS_AS(parse_account_command(words), PermError);
}

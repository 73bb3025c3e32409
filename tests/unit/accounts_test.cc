// users/accounts.cdb and users/secrets.cdb as readers see them (lib/store/accounts.h, account_secrets.h).
#include "lib/store/accounts.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/store/account_secrets.h"
#include "lib/store/named_lines.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

constexpr char plain[] = "uid=1000\ngid=1001\nhome=/home/abc\nmailbox=./Maildir/\n";

struct File {
  ScratchDirectory scratch;
  std::string path = scratch.file("cdb");
  void write(const std::vector<std::pair<std::string, std::string>>& records) const {
    CdbWriter cdb(path);
    for (const auto& [key, data] : records) cdb.add(key, data);
    cdb.commit();
  }
};

Account full_account() {
  Account account;
  account.login = "info@customer.example";
  account.uid = 1000;
  account.gid = 4294967294;
  account.home = "/home/a=b";
  account.mailbox = "./Mail box/";
  account.quota_bytes = 18446744073709551615U;
  account.quota_messages = 7;
  account.contract = "c-1";
  account.domains = {"one.example", "xn--wgv71a.example"};
  account.send = false;
  account.programs = account.etrn = true;
  account.others = "colour=blue\ncolour=\n";
  return account;
}

}  // namespace

TEST_CASE("accounts: a login's canonical form", "[accounts]") {
  struct Row {
    std::string login, canonical;
  };
  const Row row = GENERATE(values<Row>({{"abc", "abc"},
                                        {"ABC-Def", "abc-def"},
                                        {"Info@Customer.EXAMPLE", "info@customer.example"},
                                        {"a@b@C.example.", "a@b@c.example"},
                                        {"x@日本.example", "x@xn--wgv71a.example"},
                                        {"鳩", "鳩"},
                                        {"", ""},
                                        {"@", "@"}}));
  CHECK(canonical_login(row.login) == row.canonical);
}

TEST_CASE("accounts: a record comes back as it was", "[accounts]") {
  const Account account = full_account();
  const std::string record = encode_account(account);
  CHECK(record ==
        "uid=1000\ngid=4294967294\nhome=/home/a=b\nmailbox=./Mail "
        "box/\nquota=18446744073709551615\nmessages=7\n"
        "contract=c-1\ndomain=one.example\ndomain=xn--wgv71a.example\nsend=0\netrn=1\nprograms=1\n"
        "colour=blue\ncolour=\n");
  CHECK(parse_account(account.login, record) == account);

  Account simple;
  simple.login = "abc", simple.uid = 1000, simple.gid = 1001, simple.home = "/home/abc";
  CHECK(encode_account(simple) == plain);
  CHECK(parse_account("abc", plain) == simple);
  // what is not said has its default
  CHECK(parse_account("abc", "gid=1001\nhome=/home/abc\nuid=1000\nsend=1\nrelay=0\n") == simple);
}

TEST_CASE("accounts: what is no record", "[accounts]") {
  const std::string record = GENERATE(
      "", "uid=1000\ngid=1001\n", "uid=1000\nhome=/h\n", "gid=1000\nhome=/h\n", "uid=0\ngid=1\nhome=/h\n",
      "uid=1\ngid=0\nhome=/h\n", "uid=4294967295\ngid=1\nhome=/h\n", "uid=-1\ngid=1\nhome=/h\n",
      "uid=1x\ngid=1\nhome=/h\n", "uid=\ngid=1\nhome=/h\n", "uid=1\ngid=1\nhome=h\n", "uid=1\ngid=1\nhome=\n",
      "uid=1\ngid=1\nhome=/h", "uid=1\ngid=1\nhome=/h\nx\n", "uid=1\ngid=1\nhome=/h\n=x\n",
      "uid=1\nuid=1\ngid=1\nhome=/h\n", "uid=1\ngid=1\nhome=/h\nsend=yes\n",
      "uid=1\ngid=1\nhome=/h\nquota=1k\n", "uid=1\ngid=1\nhome=/h\nquota=18446744073709551616\n",
      "uid=1\ngid=1\nhome=/h\nmailbox=\n", "uid=1\ngid=1\nhome=/h\nrelay=1\nrelay=1\n",
      "uid=1\ngid=1\nhome=/h\n\n", "uid=1\ngid=1\nhome=/h\nx=\0\n"s);
  CAPTURE(record);
  CHECK_FALSE(parse_account("abc", record));
}

TEST_CASE("accounts: a line end cannot come into a record", "[accounts]") {
  Account account = full_account();
  account.home = "/home/x\nuid=1";
  CHECK_THROWS_AS(encode_account(account), PermError);
  account.home = "/home/x\0y"s;
  CHECK_THROWS_AS(encode_account(account), PermError);
}

TEST_CASE("accounts: the account in the environment", "[accounts]") {
  const Account account = full_account();
  for (const bool any : {true, false}) {
    const std::optional<AccountInEnvironment> read =
        parse_account_variable(encode_account_variable(account, any));
    REQUIRE(read);
    CHECK(read->account == account);
    CHECK(read->any == any);
  }
  CHECK_FALSE(parse_account_variable(""));
  CHECK_FALSE(parse_account_variable(plain));
  CHECK_FALSE(parse_account_variable("login=\n"s + plain));
  CHECK_FALSE(parse_account_variable("login=a\0b\n"s + plain));
  CHECK_FALSE(parse_account_variable("login=abc"));
  CHECK(parse_account_variable("login=abc\n"s + plain));
}

TEST_CASE("accounts: contracts", "[accounts]") {
  Contract contract;
  contract.name = "c1";
  contract.quota_bytes = 1000;
  contract.directories = {"/home/a", "/home/b"};
  contract.others = "x=y\n";
  CHECK(encode_contract(contract) ==
        "quota=1000\nkind=directories\ndirectory=/home/a\ndirectory=/home/b\nx=y\n");
  CHECK(parse_contract("c1", encode_contract(contract)) == contract);
  contract.kind = Contract::Kind::project;
  contract.id = 12;
  CHECK(parse_contract("c1", encode_contract(contract)) == contract);
  for (const char* bad :
       {"", "quota=1\n", "kind=user\ndirectory=/h\n", "kind=directories\nid=3\ndirectory=/h\n",
        "kind=none\ndirectory=/h\n", "kind=directories\ndirectory=h\n"})
    CHECK_FALSE(parse_contract("c1", bad));
}

TEST_CASE("accounts: look-ups, whatever the case and form", "[accounts]") {
  const File file;
  Accounts accounts(file.path);
  CHECK_FALSE(accounts.find("abc"));
  CHECK(accounts.generation() == 0);
  file.write({{"", encode_generation(3)},
              {"aabc", plain},
              {"ainfo@customer.example", encode_account(full_account())},
              {"done.example", "info@customer.example"},
              {"dxn--wgv71a.example", "info@customer.example"},
              {"Dcustomer.example", ""},
              {"cc-1", "kind=directories\ndirectory=/home/abc\n"},
              {"abad", "uid=0\n"},
              {"cbad", "uid=0\n"}});
  CHECK(accounts.generation() == 3);
  REQUIRE(accounts.find("ABC"));
  CHECK(accounts.find("ABC")->login == "abc");
  CHECK(accounts.find("INFO@Customer.Example") == full_account());
  CHECK_FALSE(accounts.find("info"));
  CHECK_FALSE(accounts.find(""));
  CHECK(accounts.owner_of("ONE.example") == "info@customer.example");
  CHECK(accounts.owner_of("日本.example") == "info@customer.example");
  CHECK_FALSE(accounts.owner_of("customer.example"));
  CHECK(accounts.has_logins_in("Customer.example"));
  CHECK_FALSE(accounts.has_logins_in("one.example"));
  REQUIRE(accounts.contract("c-1"));
  CHECK_FALSE(accounts.contract("c-2"));
  CHECK_THROWS_AS(accounts.find("bad"), TempError);
  CHECK_THROWS_AS(accounts.contract("bad"), TempError);
}

TEST_CASE("accounts: another file is seen at the next call", "[accounts]") {
  const File file;
  Accounts accounts(file.path);
  file.write({{"", encode_generation(1)}, {"aabc", plain}});
  CHECK(accounts.find("abc"));
  file.write({{"", encode_generation(2)}, {"adef", plain}});
  CHECK_FALSE(accounts.find("abc"));
  CHECK(accounts.find("def"));
  unlink(file.path.c_str());
  CHECK_FALSE(accounts.find("def"));
  file.write({{"x", "y"}});
  CHECK_THROWS_AS(accounts.generation(), TempError);
}

TEST_CASE("accounts: secrets", "[accounts]") {
  const File file;
  AccountSecrets secrets(file.path);
  CHECK_FALSE(secrets.find("abc"));
  file.write({{"", encode_generation(1)},
              {"aabc", "hash=$y$x\nshared=a=b c\nchanged=17\n"},
              {"adef", ""},
              {"abad", "hash=\n"},
              {"atwice", "hash=a\nhash=b\n"}});
  const std::optional<AccountSecret> secret = secrets.find("ABC");
  REQUIRE(secret);
  CHECK(secret->hash == "$y$x");
  CHECK(secret->shared == "a=b c");
  CHECK(secret->others == "changed=17\n");
  CHECK(encode_secret(*secret) == "hash=$y$x\nshared=a=b c\nchanged=17\n");
  REQUIRE(secrets.find("def"));
  CHECK(secrets.find("def")->hash.empty());
  CHECK_THROWS_AS(secrets.find("bad"), TempError);
  CHECK_THROWS_AS(secrets.find("twice"), TempError);
  CHECK_FALSE(secrets.find("nobody"));
}

TEST_CASE("accounts: the generation", "[accounts]") {
  CHECK(parse_generation(encode_generation(12)) == 12);
  CHECK(parse_generation("x=1\ngeneration=5\n") == 5);
  CHECK_FALSE(parse_generation(""));
  CHECK_FALSE(parse_generation("generation=x\n"));
}

TEST_CASE("accounts: the uid in a record, and the domains in an open file", "[accounts]") {
  const auto uid = [](std::string_view key, std::string_view record) {
    const std::optional<AccountUid> found = account_uid(key, record);
    return found ? std::string(found->login) + " " + std::to_string(found->uid) : "none";
  };
  CHECK(uid("aabc", plain) == "abc 1000");
  CHECK(uid("aabc", "gid=5\nuid=7\nhome=/\n") == "abc 7");
  CHECK(uid("aabc", "xuid=5\n") == "none");
  CHECK(uid("aabc", "uid=0\n") == "none");
  CHECK(uid("aabc", "gid=1") == "none");
  CHECK(uid("aabc", "") == "none");
  CHECK(uid("cabc", plain) == "none");
  CHECK(uid("", "generation=4\n") == "none");
  const File file;
  file.write({{"dfirm.example", "abc"}, {"Dlogins.example", ""}, {"afirm2.example", plain}});
  std::optional<Cdb> cdb = Cdb::open(file.path);
  REQUIRE(cdb);
  CHECK(is_account_domain(*cdb, "firm.example"));
  CHECK(is_account_domain(*cdb, "logins.example"));
  CHECK_FALSE(is_account_domain(*cdb, "firm2.example"));
  CHECK_FALSE(is_account_domain(*cdb, ""));
}

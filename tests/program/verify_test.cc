// sendmail -bv as a customer: which local addresses exist, as far as he can see.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr uid_t caller = 54321, joe = 54322, ann = 54323, shy = 54324;

struct Stage {
  PrivateHome home{"sendmail", "qmail-getpw", "qmail-newu"};
  Scratch scratch;
  const std::string joes = scratch.directory("joe", joe), anns = scratch.directory("ann", ann),
                    shys = scratch.directory("shy", shy, 0700);

  Stage() {
    home.write("control/me", "local.example\n");
    home.write("control/virtualdomains", "v.example:joe\n");
    const auto assigned = [](const char* name, uid_t uid, const std::string& where) {
      const std::string to =
          std::string(name) + ":" + std::to_string(uid) + ":" + std::to_string(uid) + ":" + where;
      return "=" + std::string(name) + ":" + to + ":::\n+" + name + "-:" + to + ":-::\n";
    };
    home.write("users/assign", assigned("joe", joe, joes) + assigned("shy", shy, shys) + ".\n");
    REQUIRE(run({home.path("bin/qmail-newu")}).code == 0);
    home.add_accounts("ann:x:" + std::to_string(ann) + ":" + std::to_string(ann) + "::" + anns +
                      ":/bin/sh\n");
    dot_file(joes + "/.qmail-list", joe, 0644);
    dot_file(joes + "/.qmail-secret", joe, 0600);
    dot_file(joes + "/.qmail-odd", joe, 0666);
    dot_file(anns + "/.qmail-a-default", ann, 0644);
    home.write("alias/.qmail-postmaster", "&joe\n");
  }
  static void dot_file(const std::string& path, uid_t owner, mode_t mode) {
    const Fd file = open_file(path, O_WRONLY | O_CREAT, 0600);
    REQUIRE(fchown(file.get(), owner, owner) == 0);
    REQUIRE(fchmod(file.get(), mode) == 0);
  }
  Result verify(const std::string& address) const {
    return run_as(caller, caller, {home.path("bin/sendmail"), "-bv", address});
  }
};

std::string exists(const std::string& address, const std::string& user) {
  return address + "... deliverable: mailer local, user " + user + "\n";
}
std::string unsure(const std::string& address, const std::string& user) {
  return address + "... accepted for local delivery, not verified: user " + user + "\n";
}
std::string unknown(const std::string& address) {
  return address + "... User unknown\n";
}

}  // namespace

TEST_CASE("sendmail -bv: local users, extension addresses and aliases", "[sendmail][verify]") {
  const Stage stage;
  struct Row {
    const char* address;
    std::string line;
  };
  const auto at = [](const char* local) { return std::string(local) + "@local.example"; };
  const Row rows[] = {
      {"joe@local.example", exists(at("joe"), "joe")},
      {"Joe@local.example", exists(at("Joe"), "Joe")},
      {"joe-list@local.example", exists(at("joe-list"), "joe-list")},
      {"joe-nothing@local.example", unknown(at("joe-nothing"))},
      {"list@v.example", exists("list@v.example", "joe-list")},
      {"nothing@v.example", unknown("nothing@v.example")},
      {"joe-secret@local.example", unsure(at("joe-secret"), "joe-secret")},  // the caller may not read that
      {"joe-odd@local.example", unsure(at("joe-odd"), "joe-odd")},           // qmail-local would defer
      {"shy@local.example", exists(at("shy"), "shy")},
      {"shy-list@local.example", unsure(at("shy-list"), "shy-list")},
      // of /etc/passwd, by qmail-getpw
      {"ann@local.example", exists(at("ann"), "ann")},
      {"ann-a-b@local.example", exists(at("ann-a-b"), "ann-a-b")},
      {"ann-b@local.example", unknown(at("ann-b"))},
      {"postmaster@local.example", exists(at("postmaster"), "postmaster")},
      {"nobody.at.all@local.example", unknown(at("nobody.at.all"))},
      {"a@b.org", "a@b.org... deliverable: mailer remote, host b.org, user a@b.org\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.address);
    const Result result = stage.verify(row.address);
    CHECK(result.out == row.line);
    CHECK(result.err.empty());
    CHECK(result.code == (row.line == unknown(row.address) ? 100 : 0));
  }
  // All are told before it ends.
  const Result both = run_as(
      caller, caller, {stage.home.path("bin/sendmail"), "-bv", "no@local.example", "joe@local.example"});
  CHECK(both.out == unknown("no@local.example") + exists("joe@local.example", "joe"));
  CHECK(both.code == 100);
}

TEST_CASE("sendmail -bv: accounts and their domains", "[sendmail][verify]") {
  const Stage stage;
  stage.home.write("control/subdomains", "local.example\n");
  {
    CdbWriter cdb(stage.home.path("users/accounts.cdb"));
    Account account;
    account.login = "abc";
    account.uid = account.gid = ann;
    account.home = stage.anns;
    cdb.add("aabc", encode_account(account));
    cdb.add("dfirm.example", "abc");
    cdb.add("", encode_generation(1));
    cdb.commit();
  }
  CHECK(stage.verify("abc@local.example").out == exists("abc@local.example", "abc"));
  CHECK(stage.verify("abc-a-x@local.example").out == exists("abc-a-x@local.example", "abc-a-x"));
  CHECK(stage.verify("abc-b@local.example").out == unknown("abc-b@local.example"));
  CHECK(stage.verify("b@abc.local.example").out == exists("b@abc.local.example", "abc-b"));
  CHECK(stage.verify("b@firm.example").out == exists("b@firm.example", "abc-b"));
  CHECK(stage.verify("b@nosuch.local.example").out == unknown("b@nosuch.local.example"));
  CHECK(stage.verify("b@ann.local.example").out == exists("b@ann.local.example", "ann-b"));
}

TEST_CASE("sendmail -bv: what cannot be seen is not said", "[sendmail][verify]") {
  const Stage stage;
  SECTION("users/cdb may not be read") {
    REQUIRE(chmod(stage.home.path("users/cdb").c_str(), 0600) == 0);
    CHECK(stage.verify("joe@local.example").out == unsure("joe@local.example", "joe"));
    CHECK(stage.verify("nobody@local.example").out == unsure("nobody@local.example", "nobody"));
  }
  SECTION("users/cdb is damaged") {
    stage.home.write("users/cdb", "not a cdb");
    CHECK(stage.verify("joe@local.example").out == unsure("joe@local.example", "joe"));
  }
  SECTION("there is no qmail-getpw, as in a chroot") {
    unlink(stage.home.path("bin/qmail-getpw").c_str());
    CHECK(stage.verify("joe@local.example").out == exists("joe@local.example", "joe"));
    const Result result = stage.verify("ann@local.example");
    CHECK(result.out == unsure("ann@local.example", "ann"));
    CHECK(result.code == 0);
  }
}

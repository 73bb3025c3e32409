// Assignments made of passwd lines (qmail-send/pw2u.h), after qmail-pw2u(8).
#include "qmail-send/pw2u.h"

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "tests/catch.h"

using namespace hato;

namespace {

Pw2uRules rules() {
  Pw2uRules rules;
  rules.break_chars = "-";
  rules.owner = [](const std::string& home) -> std::optional<uid_t> {
    if (home == "/gone") return std::nullopt;
    if (home == "/theirs") return 9;
    if (home == std::string(conf::home) + "/alias") return 70;
    return 501;
  };
  return rules;
}

const char joe[] = "joe:x:501:100:Joe:/home/joe:/bin/sh";
const char joes[] = "=joe:joe:501:100:/home/joe:::\n+joe-:joe:501:100:/home/joe:-::\n";

}  // namespace

TEST_CASE("pw2u: an account gets its name and everything behind a dash", "[pw2u]") {
  CHECK(Pw2u(rules()).account(joe) == joes);
  // six colons are enough, the shell may be missing
  CHECK(Pw2u(rules()).account("joe:x:501:100:Joe:/home/joe:") == joes);
  CHECK(Pw2u(rules()).account("joe:x:501:100:Joe:/home/joe") == "");
  CHECK(Pw2u(rules()).account("") == "");
}

TEST_CASE("pw2u: who is skipped", "[pw2u]") {
  CHECK(Pw2u(rules()).account("root:x:0:0::/root:") == "");
  CHECK(Pw2u(rules()).account("bad:x:many:100::/home/bad:") == "");
  CHECK(Pw2u(rules()).account("joe:x:501:100::/gone:") == "");
  CHECK(Pw2u(rules()).account("joe:x:501:100::/theirs:") == "");
  CHECK(Pw2u(rules()).account("Joe:x:501:100::/home/joe:") == "");
  Pw2uRules upper = rules();
  upper.upper = true;
  CHECK(Pw2u(upper).account("Joe:x:501:100::/h:") == "=Joe:Joe:501:100:/h:::\n+Joe-:Joe:501:100:/h:-::\n");
  Pw2uRules stop = rules();
  stop.home = HomeRule::stop_missing;
  CHECK_THROWS_AS(Pw2u(stop).account("joe:x:501:100::/gone:"), TempError);
  CHECK(Pw2u(stop).account("joe:x:501:100::/theirs:") == "");
  Pw2uRules any = rules();
  any.home = HomeRule::any;
  CHECK(Pw2u(any).account("joe:x:501:100::/gone:") ==
        "=joe:joe:501:100:/gone:::\n+joe-:joe:501:100:/gone:-::\n");
}

TEST_CASE("pw2u: include, exclude, mailnames", "[pw2u]") {
  Pw2uRules include = rules();
  include.include = {{"JOE", "x"}};
  CHECK(Pw2u(include).account(joe) == joes);
  CHECK(Pw2u(include).account("jim:x:501:100::/h:") == "");
  Pw2uRules exclude = rules();
  exclude.exclude = {{"jim"}};
  CHECK(Pw2u(exclude).account(joe) == joes);
  CHECK(Pw2u(exclude).account("jim:x:501:100::/h:") == "");
  Pw2uRules names = rules();
  names.set_mailnames({"joe:old:", "nobody:x", "no colon", "joe:joe.shmoe::shmoe"});
  CHECK(Pw2u(names).account(joe) ==
        "=joe.shmoe:joe:501:100:/home/joe:::\n+joe.shmoe-:joe:501:100:/home/joe:-::\n"
        "=shmoe:joe:501:100:/home/joe:::\n+shmoe-:joe:501:100:/home/joe:-::\n");
}

TEST_CASE("pw2u: break characters and -/", "[pw2u]") {
  Pw2uRules none = rules();
  none.break_chars = "";
  CHECK(Pw2u(none).account(joe) == "=joe:joe:501:100:/home/joe:::\n");
  Pw2uRules two = rules();
  two.break_chars = "-+";
  two.dash = "-/";
  CHECK(
      Pw2u(two).account(joe) ==
      "=joe:joe:501:100:/home/joe:::\n+joe-:joe:501:100:/home/joe:-/::\n+joe+:joe:501:100:/home/joe:-/::\n");
}

TEST_CASE("pw2u: alias catches the rest, at HOME/alias", "[pw2u]") {
  const std::string to = ":" + std::string(conf::user_alias) + ":70:100:" + conf::home + "/alias:";
  Pw2u pw2u(rules());
  CHECK_FALSE(pw2u.saw_alias());
  CHECK(pw2u.account(std::string(conf::user_alias) + ":x:70:100::/wrong:/bin/false") ==
        "+" + to + "-::\n=alias" + to + "::\n+alias-" + to + "-::\n");
  CHECK(pw2u.saw_alias());
}

TEST_CASE("pw2u: subusers", "[pw2u]") {
  Pw2u pw2u(rules());
  pw2u.account(joe);
  CHECK(pw2u.subuser("sales:JOE:shop:") ==
        "=sales:joe:501:100:/home/joe:-:shop:\n+sales-:joe:501:100:/home/joe:-:shop-:\n");
  CHECK(pw2u.subuser("sales:joe:shop") == "");
  CHECK(pw2u.subuser("") == "");
  CHECK_THROWS_AS(pw2u.subuser("sales:jim:shop:"), TempError);
}

// qmail-newu, qmail-pw2u and qmail-getpw as executables.
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/store/users.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"

using namespace hato;
using namespace hato::test;

namespace {

std::string bars(std::string text) {
  for (char& c : text)
    if (c == '\0') c = '|';
  return text;
}

}  // namespace

TEST_CASE("qmail-newu compiles users/assign", "[qmail-newu]") {
  PrivateHome home{"qmail-newu"};
  home.write("users/assign",
             "+:alias:7790:2108:/alias:-::\n=joe:joe:507:100:/home/joe:::\n+Joe-X:joe:507:100:/home/"
             "joe:-:y:\n.\nrubbish\n");
  const Result result = run({home.path("bin/qmail-newu")});
  CHECK(result.err == "");
  REQUIRE(result.code == 0);
  Users users(home.path("users/cdb"));
  CHECK(users.find("joe")->home == "/home/joe");
  CHECK(users.find("joe-xz")->ext == "yz");  // wildcard ends are found in lower case
  CHECK(users.find("other")->uid == 7790);
  struct stat status {};
  REQUIRE(stat(home.path("users/cdb").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0644);
  CHECK(access(home.path("users/cdb.tmp").c_str(), F_OK) != 0);
}

TEST_CASE("qmail-newu leaves the old users/cdb when users/assign is not whole", "[qmail-newu]") {
  PrivateHome home{"qmail-newu"};
  home.write("users/assign", "=joe:joe:1:1:/a:::\n.\n");
  REQUIRE(run({home.path("bin/qmail-newu")}).code == 0);
  struct Row {
    const char* assign;
    const char* line;
  };
  for (const Row& row : std::vector<Row>{{"=joe:joe:2:2:/b:::\n", "line 2"},                    // no dot
                                         {"=joe:joe:2:2:/b:::\n=joe:joe:2:2:/b:::", "line 2"},  // cut off
                                         {"=joe:joe:2:2:/b:::\n\n.\n", "line 2"},               // empty line
                                         {"joe:joe:2:2:/b:::\n.\n", "line 1"},
                                         {"=joe:joe:two:2:/b:::\n.\n", "line 1"},
                                         {"", "line 1"}}) {
    CAPTURE(row.assign);
    home.write("users/assign", row.assign);
    const Result result = run({home.path("bin/qmail-newu")});
    CHECK(result.code == 111);
    CHECK(result.err.find("qmail-newu: fatal: bad format in users/assign, ") == 0);
    CHECK(result.err.find(row.line) != std::string::npos);
    CHECK(Users(home.path("users/cdb")).find("joe")->home == "/a");
  }
  unlink(home.path("users/assign").c_str());
  CHECK(run({home.path("bin/qmail-newu")}).code == 111);
  CHECK(run({home.path("bin/qmail-newu"), "x"}).code == 100);
}

TEST_CASE("qmail-pw2u prints users/assign, with all its files", "[qmail-pw2u]") {
  PrivateHome home{"qmail-pw2u", "qmail-newu"};
  Scratch scratch;
  const std::string joe = scratch.directory("joe", 61501), jim = scratch.directory("jim", 61502),
                    not_his = scratch.directory("x", 61503), alias = home.path("alias");
  REQUIRE(chown(alias.c_str(), 61570, 100) == 0);
  const std::string user_alias = conf::user_alias;
  const std::string passwd = "root:x:0:0::/root:/bin/sh\n" + user_alias +
                             ":x:61570:100::/nowhere:\njoe:x:61501:100:J:" + joe +
                             ":/bin/sh\njim:x:61502:100:J:" + jim + ":/bin/sh\nx:x:61509:100::" + not_his +
                             ":\ngone:x:61504:100::" + scratch.path() + "/gone:";
  const std::string to_alias = ":" + user_alias + ":61570:100:" + alias + ":",
                    to_joe = ":joe:61501:100:" + joe + ":", to_jim = ":jim:61502:100:" + jim + ":";
  const std::string aliases = "+" + to_alias + "-::\n=alias" + to_alias + "::\n+alias-" + to_alias + "-::\n";
  const std::string joes = "=joe" + to_joe + "::\n+joe-" + to_joe + "-::\n",
                    jims = "=jim" + to_jim + "::\n+jim-" + to_jim + "-::\n";
  const std::string program = home.path("bin/qmail-pw2u");
  const auto assign = [&](std::vector<std::string> options = {}) {
    options.insert(options.begin(), program);
    const Result result = run(options, passwd);
    CHECK(result.err == "");
    CHECK(result.code == 0);
    return result.out;
  };

  CHECK(assign() == aliases + joes + jims + ".\n");
  CHECK(assign({"-o", "-U"}) == aliases + joes + jims + ".\n");
  CHECK(assign({"-C"}) ==
        "+" + to_alias + "-::\n=alias" + to_alias + "::\n=joe" + to_joe + "::\n=jim" + to_jim + "::\n.\n");
  CHECK(assign({"-c+", "-/"}).find("+joe+" + to_joe + "-/::\n") != std::string::npos);
  CHECK(assign({"-H"}).find("=gone:gone:61504:100:") != std::string::npos);
  const Result stopped = run({program, "-h"}, passwd);
  CHECK(stopped.code == 111);
  CHECK(stopped.err.find("qmail-pw2u: fatal: unable to stat " + scratch.path() + "/gone") == 0);
  CHECK(run({program, "-x"}, passwd).code == 100);
  const Result no_alias = run({program}, "joe:x:61501:100:J:" + joe + ":/bin/sh\n");
  CHECK(no_alias.code == 111);
  CHECK(no_alias.err == "qmail-pw2u: fatal: unable to find " + user_alias + " user\n");

  home.write("users/exclude", "# a comment\njim\n");
  CHECK(assign() == aliases + joes + ".\n");
  unlink(home.path("users/exclude").c_str());
  home.write("users/include", "alias\njim\n");
  CHECK(assign() == aliases + jims + ".\n");
  home.write("users/mailnames", "jim:james:\n");
  home.write("users/subusers", "sales:jim:shop:\n");
  home.write("users/append", "+lists-:l:5:5:/l:-::");
  const std::string all = assign();
  CHECK(all == aliases + "=james" + to_jim + "::\n+james-" + to_jim + "-::\n=sales" + to_jim +
                   "-:shop:\n+sales-" + to_jim + "-:shop-:\n+lists-:l:5:5:/l:-::\n.\n");
  // and qmail-newu takes it
  home.write("users/assign", all);
  CHECK(run({home.path("bin/qmail-newu")}).code == 0);
  CHECK(Users(home.path("users/cdb")).find("sales-x")->ext == "shop-x");
}

TEST_CASE("qmail-getpw asks the account database", "[qmail-getpw]") {
  PrivateHome home{"qmail-getpw"};
  Scratch scratch;
  const std::string joe = scratch.directory("joe", 61501), thief = scratch.directory("thief", 61509);
  home.add_accounts("hatojoe:x:61501:100::" + joe + ":/bin/sh\nhatothief:x:61502:100::" + thief +
                    ":\nhatoroot:x:0:0::/root:\nhatogone:x:61503:100::" + scratch.path() + "/gone:\n");
  const std::string program = home.path("bin/qmail-getpw");
  const std::string alias = [&] {
    const User user = *passwd_user(conf::user_alias);
    return user.name + "|" + std::to_string(user.uid) + "|" + std::to_string(user.gid) + "|" +
           home.path("alias") + "|-|";
  }();
  const auto answer = [&](const std::string& local) {
    const Result result = run_as(61999, 61999, {program, local});
    CHECK(result.err == "");
    CHECK(result.code == 0);
    return bars(result.out);
  };
  CHECK(answer("HatoJoe-X") == "hatojoe|61501|100|" + joe + "|-|X|");
  CHECK(answer("hatojoe") == "hatojoe|61501|100|" + joe + "|||");
  for (const std::string local : {"hatothief", "hatoroot-x", "hatogone", "hato nobody"})
    CHECK(answer(local) == alias + local + "|");
  CHECK(run({program}).code == 100);
}

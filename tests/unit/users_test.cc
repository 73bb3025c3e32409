// users/assign, users/cdb and the look-up of a local part (lib/store/users.h).
#include "lib/store/users.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"
#include "tests/users_cdb.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

struct UsersFile {
  ScratchDirectory scratch;
  std::string path = scratch.file("cdb");
  void write(const std::vector<std::string>& lines, const std::string& ends) const {
    write_users_cdb(path, lines, ends);
  }
};

std::string told(const std::optional<Assignment>& a) {
  if (!a) return "nobody";
  return a->user + " " + std::to_string(a->uid) + " " + std::to_string(a->gid) + " " + a->home + " [" +
         a->dash + "][" + a->ext + "]";
}

}  // namespace

TEST_CASE("users: lines of users/assign", "[users]") {
  struct Row {
    std::string line;
    std::string key;  // empty: not a line
    std::string to;
  };
  const Row row = GENERATE(values<Row>({
      // qmail-users(5), the examples of its text
      {"=joe.shmoe:joe:503:78:/home/joe:::", "!joe.shmoe\0"s, "joe 503 78 /home/joe [][]"},
      {"+:alias:7790:2108:/var/qmail/alias:-::", "!", "alias 7790 2108 /var/qmail/alias [-][]"},
      {"+joe-:joe:507:100:/home/joe:-::", "!joe-", "joe 507 100 /home/joe [-][]"},
      {"=joe:joe:507:100:/home/joe:::", "!joe\0"s, "joe 507 100 /home/joe [][]"},
      // without regard to case; what follows the seventh colon is ignored
      {"=Joe:Joe:1:2:/H:-:Pre:what:ever", "!joe\0"s, "Joe 1 2 /H [-][Pre]"},
      {"=:u:1:2:/h:::", "!\0"s, "u 1 2 /h [][]"},
      {"=a:u:4294967294:0:/h:::", "!a\0"s, "u 4294967294 0 /h [][]"},
      // not lines
      {"", "", ""},
      {"joe:joe:507:100:/home/joe:::", "", ""},
      {"=joe:joe:507:100:/home/joe::", "", ""},
      {"=joe:joe::100:/home/joe:::", "", ""},
      {"=joe:joe:x:100:/home/joe:::", "", ""},
      {"=joe:joe:-1:100:/home/joe:::", "", ""},
      {"=joe:joe:1 :100:/home/joe:::", "", ""},
      {"=joe:joe:4294967295:100:/home/joe:::", "", ""},  // (uid_t)-1: set*id would leave root's
      {"=joe:joe:99999999999:100:/home/joe:::", "", ""},
      {"=joe:joe:1:4294967295:/home/joe:::", "", ""},
      {"=jo\0e:joe:1:1:/home/joe:::"s, "", ""},
      {".", "", ""},
  }));
  CAPTURE(row.line);
  const std::optional<AssignLine> line = parse_assign_line(row.line);
  REQUIRE(line.has_value() == !row.key.empty());
  if (line) CHECK(line->key() == row.key);
  if (line) CHECK(told(line->to) == row.to);
  CHECK(ends_assign(row.line) == (row.line == "."));
}

TEST_CASE("users: records of users/cdb and of qmail-getpw", "[users]") {
  CHECK(told(parse_assignment("u\0001\0002\0/h\0-\0ext"s)) == "u 1 2 /h [-][ext]");
  CHECK(told(parse_assignment("u\0001\0002\0/h\0-\0ext\0"s)) == "u 1 2 /h [-][ext]");
  CHECK(told(parse_assignment("u\0001\0002\0/h\0\0"s)) == "u 1 2 /h [][]");
  CHECK(told(parse_assignment("u\0001\0002\0/h\0\0\0"s)) == "u 1 2 /h [][]");
  for (const std::string& bad :
       {""s, "u"s, "u\0001\0002\0/h\0-"s, "u\0001\0002\0/h\0-\0e\0x"s, "u\0001\0002\0/h\0-\0e\0\0"s,
        "u\0\0002\0/h\0-\0e"s, "u\0001x\0002\0/h\0-\0e"s}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_assignment(bad));
  }
  const Assignment a{"u", 5, 6, "/h", "-", "e"};
  CHECK(parse_assignment(encode_assignment(a)) == a);
}

TEST_CASE("users: simple before wildcard, longer wildcard before shorter", "[users]") {
  UsersFile file;
  file.write({"+:alias:7790:2108:/alias:-::", "+joe-:joe:507:100:/home/joe:-::",
              "=joe:joe:507:100:/home/joe:::", "+joe-list-:lists:600:600:/lists:-:joe-:",
              "=joe-list-owner:boss:601:601:/boss:::", "=joe:second:1:1:/second:::"},
             "-");
  Users users(file.path);
  struct Row {
    const char* local;
    const char* to;
  };
  for (const Row& row : std::vector<Row>{
           // qmail-users(5), WILDCARD ASSIGNMENTS
           {"joe", "joe 507 100 /home/joe [][]"},
           {"joe-direct", "joe 507 100 /home/joe [-][direct]"},
           {"bill", "alias 7790 2108 /alias [-][bill]"},
           // several for the same: the first
           {"JOE", "joe 507 100 /home/joe [][]"},
           // the rest of the address keeps its case
           {"Joe-Direct", "joe 507 100 /home/joe [-][Direct]"},
           {"joe-", "joe 507 100 /home/joe [-][]"},
           {"joe-list-a-b", "lists 600 600 /lists [-][joe-a-b]"},
           {"joe-list-owner", "boss 601 601 /boss [][]"},
           {"joe-list", "joe 507 100 /home/joe [-][list]"},
           {"joey", "alias 7790 2108 /alias [-][joey]"},
           {"", "alias 7790 2108 /alias [-][]"},
       }) {
    CAPTURE(row.local);
    CHECK(told(users.find(row.local)) == row.to);
  }
}

TEST_CASE("users: a wildcard counts only behind a character that some wildcard ends in", "[users]") {
  // qmail-newu's list is an index: what it does not name is not looked up (qmail's users/cdb is the same).
  UsersFile file;
  file.write({"+joe-:joe:507:100:/home/joe:-::"}, "");
  CHECK(told(Users(file.path).find("joe-x")) == "nobody");
  file.write({"+joe-:joe:507:100:/home/joe:-::"}, "-");
  CHECK(told(Users(file.path).find("joe-x")) == "joe 507 100 /home/joe [-][x]");
}

TEST_CASE("users: a new users/cdb counts at once, a missing one is nobody", "[users]") {
  UsersFile file;
  Users users(file.path);
  CHECK(told(users.find("joe")) == "nobody");
  file.write({"=joe:joe:1:1:/a:::"}, "");
  CHECK(told(users.find("joe")) == "joe 1 1 /a [][]");
  file.write({"=joe:joe:2:2:/b:::"}, "");
  CHECK(told(users.find("joe")) == "joe 2 2 /b [][]");
  unlink(file.path.c_str());
  CHECK(told(users.find("joe")) == "nobody");
}

TEST_CASE("users: what is no users/cdb is a temporary error, never a delivery", "[users]") {
  UsersFile file;
  Users users(file.path);
  SECTION("a cdb without the list of wildcard ends") {
    CdbWriter(file.path).commit();
    CHECK_THROWS_AS(users.find("joe"), TempError);
    CHECK_THROWS_AS(users.find("joe"), TempError);  // the second time as well
  }
  SECTION("a record that is no assignment") {
    CdbWriter cdb(file.path);
    cdb.add("", "");
    cdb.add("!joe\0"s, "joe\0\0001\0/home\0\0"s);
    cdb.commit();
    CHECK_THROWS_AS(users.find("joe"), TempError);
    CHECK(told(users.find("jim")) == "nobody");
  }
  SECTION("not a cdb") {
    Fd fd = open_file(file.path, O_WRONLY | O_CREAT, 0644);
    write_all(fd.get(), "=joe:joe:1:1:/a:::\n.\n", "users");
    CHECK_THROWS_AS(users.find("joe"), TempError);
  }
}

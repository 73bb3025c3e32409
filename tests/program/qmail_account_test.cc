// qmail-account(8): the real executable as root, and checkpassword, qmail-popup and qmail-pop3d with the
// accounts it made.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/md5.h"
#include "lib/base/password_hash.h"
#include "lib/base/process.h"
#include "lib/mail/json_value.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

constexpr uid_t shared_uid = 47011;

struct AccountsHome {
  PrivateHome home{"qmail-account", "qmail-dot", "checkpassword", "qmail-popup", "qmail-pop3d"};
  Scratch homes;

  Result account(std::vector<std::string> words, const std::string& input = "") const {
    words.insert(words.begin(), home.path("bin/qmail-account"));
    return test::run(words, input);
  }
  // An account with the shared uid, its home and Maildir made.
  void add(const std::string& login, const std::string& password, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {
        "add", login, "--uid", std::to_string(shared_uid), "--gid", "47011", "--home", of(login), "--create"};
    if (!password.empty()) words.push_back("--password");
    words.insert(words.end(), more.begin(), more.end());
    const Result made = account(words, password + "\n");
    CAPTURE(made.err);
    REQUIRE(made.code == 0);
  }
  std::string of(const std::string& login) const { return homes.path() + "/" + login; }
  std::string audit() const { return slurp(home.path("users/accounts.audit")); }
};

Outcome check(const std::string& login, const std::string& password, std::vector<std::string> program,
              const std::string& timestamp = "<1.2@h>") {
  FdPair credentials = make_pipe();
  write_all(credentials.second.get(), login + '\0' + password + '\0' + timestamp + '\0', "pipe");
  credentials.second.reset();
  Start start{.args = {installed("checkpassword")}, .fds = {{3, credentials.first.get()}}};
  start.args.insert(start.args.end(), program.begin(), program.end());
  return test::run(start);
}

std::string logged_in(const std::string& login, const std::string& password,
                      const std::string& timestamp = "<1.2@h>") {
  const Outcome outcome = check(login, password, {"/bin/echo", "in"}, timestamp);
  return outcome.code == 0 ? outcome.out : std::to_string(outcome.code);
}

mode_t mode_of(const std::string& path) {
  struct stat st {};
  REQUIRE(stat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}

uid_t owner_of(const std::string& path) {
  struct stat st {};
  REQUIRE(stat(path.c_str(), &st) == 0);
  return st.st_uid;
}

}  // namespace

TEST_CASE("qmail-account: an account by one command", "[qmail-account]") {
  const AccountsHome place;
  place.add("abc", "correct horse", {"--quota", "10M", "--messages", "100", "--domain", "Customer.Example"});
  CHECK(owner_of(place.of("abc") + "/Maildir/new") == shared_uid);
  CHECK(mode_of(place.of("abc")) == 0700);
  CHECK(mode_of(place.home.path("users/accounts.cdb")) == 0644);
  CHECK(mode_of(place.home.path("users/secrets.cdb")) == 0400);
  CHECK(owner_of(place.home.path("users/secrets.cdb")) == passwd_user(std::string(conf::user_qmaila))->uid);

  const Result shown = place.account({"show", "ABC"});
  CHECK(shown.out == "login=abc\nuid=47011\ngid=47011\nhome=" + place.of("abc") +
                         "\nmailbox=./Maildir/\nquota=10485760\nmessages=100\ndomain=customer.example\n");
  CHECK(place.account({"set", "abc", "--no-send", "--quota", "none"}).code == 0);
  const JsonValue json = JsonValue::parse(place.account({"show", "abc", "--json"}).out);
  REQUIRE(json.member("send"));
  CHECK(*json.member("send")->boolean() == false);
  CHECK(*json.member("quota_bytes")->number() == 0);
  place.add("def", "");
  CHECK(place.account({"list"}).out == "abc\ndef\n");
  CHECK(place.account({"delete", "abc"}).code == 0);
  CHECK(place.account({"list"}).out == "def\n");
  CHECK(place.account({"show", "abc"}).code == 100);
}

TEST_CASE("qmail-account: each refusal in one line, and nothing changed", "[qmail-account]") {
  const AccountsHome place;
  place.home.write("control/me", "mail.example\n");
  place.home.write("control/locals", "pobox.example\n");
  place.home.write("control/virtualdomains", "virtual.example:abc\n");
  place.home.write("control/subdomains", "pobox.example\n");
  place.add("abc", "pw", {"--domain", "customer.example"});
  const std::string before = slurp(place.home.path("users/accounts.cdb"));
  const std::string uid = std::to_string(passwd_user(std::string(conf::user_qmailq))->uid);
  struct Row {
    std::vector<std::string> words;
    std::string says;
  };
  const std::vector<Row> rows = {
      {{"add", "abc", "--uid", "5", "--gid", "5", "--home", "/h"}, "already"},
      {{"add", "alias", "--uid", "5", "--gid", "5", "--home", "/h"}, "reserved"},
      {{"add", "a/b", "--uid", "5", "--gid", "5", "--home", "/h"}, "login"},
      {{"add", "x", "--uid", "0", "--gid", "5", "--home", "/h"}, "uid 0"},
      {{"add", "x", "--uid", uid, "--gid", "5", "--home", "/h"}, conf::user_qmailq},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "h"}, "absolute"},
      {{"add", "x", "--uid", "5", "--gid", "5"}, "--home"},
      {{"add", "x", "--home", "/h"}, "--uid"},
      {{"add", "x", "--user", "no-such-user", "--home", "/h"}, "/etc/passwd"},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "/h", "--domain", "customer.example"}, "abc"},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "/h", "--domain", "pobox.example"},
       "control/locals"},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "/h", "--domain", "virtual.example"},
       "control/virtualdomains"},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "/h", "--domain", "x.pobox.example"},
       "control/subdomains"},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "/h", "--contract", "none-such"}, "contract"},
      {{"add", "x", "--uid", "5", "--gid", "5", "--home", "/h", "--mailbox", "|rm"}, "mailbox"},
      {{"add", "x@customer.example", "--uid", "5", "--gid", "5", "--home", "/h"}, "customer.example"},
      {{"set", "x", "--quota", "1"}, "no account x"},
      {{"delete", "x"}, "no account x"},
      {{"passwd", "x"}, "no account x"},
      {{"frob"}, "usage"}};
  for (const Row& row : rows) {
    CAPTURE(row.words);
    const Result result = place.account(row.words, "password\n");
    CHECK(result.code == 100);
    CHECK(result.err.find(row.says) != std::string::npos);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    std::vector<std::string> json = row.words;
    json.push_back("--json");
    const Result told = place.account(json, "password\n");
    CHECK(told.code == 100);
    CHECK(JsonValue::parse(told.out).member("error") != nullptr);
  }
  CHECK(slurp(place.home.path("users/accounts.cdb")) == before);
  CHECK(place.account({"passwd", "abc"}, "").code == 100);
  CHECK(place.account({"passwd", "abc"}, "\n").code == 100);
  CHECK(place.account({"passwd", "abc"}, std::string(129, 'x') + "\n").code == 100);
  CHECK(place.account({"passwd", "abc", "--hash"}, "plain\n").code == 100);
  const Result other =
      run_as(shared_uid, shared_uid, {place.home.path("bin/qmail-account"), "delete", "abc"});
  CHECK(other.code == 100);
}

TEST_CASE("qmail-account and checkpassword: passwords", "[qmail-account][checkpassword]") {
  const AccountsHome place;
  place.add("abc", "correct horse", {"--quota", "1000", "--messages", "7"});
  CHECK(logged_in("abc", "correct horse") == "in\n");
  CHECK(logged_in("ABC", "correct horse") == "in\n");
  CHECK(logged_in("abc", "correct hors") == "1");
  CHECK(logged_in("abd", "correct horse") == "1");
  const Outcome found =
      check("abc", "correct horse",
            {"/bin/sh", "-c",
             "id -u; id -G; pwd; echo $USER $HOME $SHELL $MAILQUOTA; printf %s \"$QMAILACCOUNT\""});
  CHECK(found.out == "47011\n47011\n" + place.of("abc") + "\nabc " + place.of("abc") +
                         " /bin/false 1000S,7C\nlogin=abc\nuid=47011\ngid=47011\nhome=" + place.of("abc") +
                         "\nmailbox=./Maildir/\nquota=1000\nmessages=7\n");

  CHECK(place.account({"passwd", "abc"}, "new horse\n").code == 0);
  CHECK(logged_in("abc", "correct horse") == "1");
  CHECK(logged_in("abc", "new horse") == "in\n");
  CHECK(place.account({"passwd", "abc", "--lock"}).code == 0);
  CHECK(logged_in("abc", "new horse") == "1");
  CHECK(place.account({"passwd", "abc", "--unlock"}).code == 0);
  CHECK(logged_in("abc", "new horse") == "in\n");
  CHECK(place.account({"passwd", "abc", "--hash"}, hash_password("third horse") + "\n").code == 0);
  CHECK(logged_in("abc", "third horse") == "in\n");

  // made anew without a password: the old one is gone
  CHECK(place.account({"delete", "abc"}).code == 0);
  CHECK(logged_in("abc", "third horse") == "1");
  place.add("abc", "");
  CHECK(logged_in("abc", "third horse") == "1");
  CHECK(logged_in("abc", "") == "1");
}

TEST_CASE("qmail-account: a password changed by who proves the old one", "[qmail-account][checkpassword]") {
  const AccountsHome place;
  place.add("abc", "old horse", {"--shared"});
  const Result wrong = place.account({"passwd", "abc", "--old"}, "odd horse\nnew horse\n");
  CHECK(wrong.code == 100);
  CHECK(wrong.err == "qmail-account: the old password is wrong\n");
  CHECK(place.account({"passwd", "abc", "--old"}, "old horse\n").code == 100);
  CHECK(place.account({"passwd", "abc", "--old"}, "old horse\n\n").code == 100);
  CHECK(logged_in("abc", "old horse") == "in\n");
  CHECK(place.account({"passwd", "abc", "--old"}, "old horse\nnew horse\n").code == 0);
  CHECK(logged_in("abc", "old horse") == "1");
  CHECK(logged_in("abc", "new horse") == "in\n");
  CHECK(logged_in("abc", md5_hex("<1@h>", "new horse"), "<1@h>") == "in\n");
  place.account({"passwd", "abc", "--lock"});
  CHECK(place.account({"passwd", "abc", "--old"}, "new horse\nthird horse\n").code == 100);
  place.add("def", "");
  CHECK(place.account({"passwd", "def", "--old"}, "x\nnew horse\n").code == 100);
}

TEST_CASE("qmail-account and checkpassword: APOP", "[qmail-account][checkpassword]") {
  const AccountsHome place;
  const std::string challenge = "<12.34@mail.example>";
  const auto apop = [&](const std::string& password) {
    return logged_in("abc", md5_hex(challenge, password), challenge);
  };
  place.add("abc", "correct horse");
  CHECK(apop("correct horse") == "1");  // no shared secret
  CHECK(place.account({"passwd", "abc", "--shared"}, "shared horse\n").code == 0);
  CHECK(apop("shared horse") == "in\n");
  CHECK(logged_in("abc", "shared horse") == "in\n");
  CHECK(place.account({"passwd", "abc"}, "fourth horse\n").code == 0);  // both change
  CHECK(apop("shared horse") == "1");
  CHECK(apop("fourth horse") == "in\n");
  CHECK(place.account({"passwd", "abc", "--lock"}).code == 0);
  CHECK(apop("fourth horse") == "1");
  CHECK(place.account({"passwd", "abc", "--unlock"}).code == 0);
  CHECK(place.account({"passwd", "abc", "--no-shared"}).code == 0);
  CHECK(apop("fourth horse") == "1");
  CHECK(logged_in("abc", "fourth horse") == "in\n");
}

TEST_CASE("checkpassword: /etc/shadow unless control/systemusers is 0", "[qmail-account][checkpassword]") {
  AccountsHome place;
  place.home.add_accounts("hatosys:" + hash_password("system horse") + ":47012:47012::" + place.homes.path() +
                          ":/bin/sh\n");
  CHECK(logged_in("hatosys", "system horse") == "in\n");
  place.home.write("control/systemusers", "0\n");
  CHECK(logged_in("hatosys", "system horse") == "1");
  // an account of the same name goes before
  place.home.write("control/systemusers", "1\n");
  const Result taken = place.account({"add", "hatosys", "--uid", "47011", "--gid", "47011", "--home", "/h"});
  CHECK(taken.code == 100);
  CHECK(taken.err.find("47012") != std::string::npos);
  CHECK(place.account({"add", "hatosys", "--system", "--password"}, "account horse\n").code == 0);
  CHECK(logged_in("hatosys", "system horse") == "1");
  CHECK(logged_in("hatosys", "account horse") == "in\n");
  // a file that is no cdb: try again
  place.home.write("users/accounts.cdb", "x");
  CHECK(logged_in("hatosys", "system horse") == "111");
}

TEST_CASE("accounts that share a uid have each its own mailbox by POP3", "[qmail-account][checkpassword]") {
  const AccountsHome place;
  REQUIRE(mkdir(place.home.path("empty").c_str(), 0555) == 0);
  place.add("abc", "pw-abc");
  place.add("def", "pw-def");
  REQUIRE(place.account({"set", "def", "--mailbox", "./Mail/Inbox/"}).code == 0);
  const auto deliver = [&](const std::string& login, const std::string& to, const std::string& text) {
    write_all(open_file(place.of(login) + to, O_WRONLY | O_CREAT, 0644).get(), text, "message");
    REQUIRE(chown((place.of(login) + to).c_str(), shared_uid, shared_uid) == 0);
  };
  deliver("abc", "/Maildir/new/1.M1P1.h", "for abc\n");
  const auto session = [&](const std::string& login, const std::string& password,
                           const std::string& commands) {
    return test::run({.args = {installed("qmail-popup"), "mail.example", installed("checkpassword"),
                               installed("qmail-pop3d"), "Maildir"}},
                     "USER " + login + "\r\nPASS " + password + "\r\n" + commands + "QUIT\r\n")
        .out;
  };
  CHECK(session("abc", "pw-abc", "RETR 1\r\n").find("for abc") != std::string::npos);
  // that is not there, and no reason to serve another
  CHECK(session("def", "pw-def", "STAT\r\n").find("-ERR") != std::string::npos);
  CHECK(place.account({"set", "def", "--mailbox", "./Inbox/", "--create"}).code == 0);
  deliver("def", "/Inbox/new/1.M1P1.h", "for def\n");
  CHECK(session("def", "pw-def", "RETR 1\r\n").find("for def") != std::string::npos);

  // Links of one to the other's mail, made with the uid that both have.
  REQUIRE(rename((place.of("def") + "/Inbox").c_str(), (place.of("def") + "/old").c_str()) == 0);
  REQUIRE(symlink((place.of("abc") + "/Maildir").c_str(), (place.of("def") + "/Inbox").c_str()) == 0);
  CHECK(session("def", "pw-def", "RETR 1\r\n").find("for abc") == std::string::npos);
  REQUIRE(unlink((place.of("def") + "/Inbox").c_str()) == 0);
  REQUIRE(rename((place.of("def") + "/old").c_str(), (place.of("def") + "/Inbox").c_str()) == 0);
  REQUIRE(symlink((place.of("abc") + "/Maildir/cur/1.M1P1.h:2,").c_str(),
                  (place.of("def") + "/Inbox/new/2.M1P1.h").c_str()) == 0);
  const std::string out = session("def", "pw-def", "RETR 1\r\nRETR 2\r\n");
  CHECK(out.find("for def") != std::string::npos);
  CHECK(out.find("for abc") == std::string::npos);
}

TEST_CASE("qmail-account: import and export", "[qmail-account]") {
  const AccountsHome place;
  CHECK(place.account({"contract", "add", "c1", "--directory", "/home/c1", "--quota", "1G"}).code == 0);
  place.add("abc", "correct horse", {"--contract", "c1", "--domain", "one.example"});
  place.add("def", "");
  const std::string plain = place.account({"export"}).out, all = place.account({"export", "--secrets"}).out;
  CHECK(plain.find("hash") == std::string::npos);
  CHECK(all.find("\"hash\":\"$y$") != std::string::npos);
  CHECK(std::count(all.begin(), all.end(), '\n') == 3);
  CHECK(place.account({"import"}, all).code == 100);  // they are there already
  const std::string generation = slurp(place.home.path("users/accounts.cdb"));
  CHECK(place.account({"import", "--update"}, all).code == 0);  // nothing differs
  CHECK(slurp(place.home.path("users/accounts.cdb")) == generation);

  const Result bad =
      place.account({"import"}, "{\"login\":\"g\",\"uid\":5,\"gid\":5,\"home\":\"/h\"}\n{\"login\":\"h\"}\n");
  CHECK(bad.code == 100);
  CHECK(bad.err.find("line 2") != std::string::npos);
  CHECK(place.account({"show", "g"}).code == 100);

  for (const char* login : {"abc", "def"}) CHECK(place.account({"delete", login}).code == 0);
  CHECK(place.account({"contract", "delete", "c1"}).code == 0);
  CHECK(place.account({"import"}, all).code == 0);
  CHECK(place.account({"export", "--secrets"}).out == all);
  CHECK(logged_in("abc", "correct horse") == "in\n");
}

namespace {

// An AccountsHome with a control/dotdir and qmail-dot.
struct RulesPlace : AccountsHome {
  RulesPlace() { home.write("control/dotdir", dots + "\n"), home.write("control/systemusers", "0\n"); }

  Result dot(std::vector<std::string> words) const {
    words.insert(words.begin(), installed("qmail-dot"));
    return test::run(words);
  }
  // The names below DOTDIR.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    if (!fs::exists(dots)) return found;
    for (const auto& entry : fs::directory_iterator(dots)) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }
  // The same login again, with another group, begins without a rule.
  void check_new(const std::string& login) const {
    CAPTURE(login);
    CHECK(dot({"list", "--json", login}).out == "{\"ok\":true,\"account\":\"" + login + "\",\"rules\":[]}\n");
    struct stat st {};
    REQUIRE(stat((dots + "/" + login).c_str(), &st) == 0);
    CHECK(st.st_uid == passwd_user(std::string(conf::user_qmailc))->uid);
    CHECK(st.st_gid == 47011);
    CHECK((st.st_mode & 07777) == 02750);
  }

  Scratch scratch;
  const std::string dots = scratch.path() + "/dots";
};

}  // namespace

TEST_CASE("qmail-account: an account has its directory of rules from the beginning", "[qmail-account][dot]") {
  const RulesPlace place;
  REQUIRE(mkdir((place.dots + ".new").c_str(), 0700) == 0);  // of one who was killed before it was finished
  place.add("abc", "");
  CHECK_FALSE(fs::exists(place.dots + ".new"));
  CHECK(mode_of(place.dots) == 0711);
  place.check_new("abc");
  CHECK(
      place
          .account({"import"}, "{\"login\":\"info@x.example\",\"uid\":47012,\"gid\":47011,\"home\":\"/h\"}\n")
          .code == 0);
  place.check_new("info@x.example");
  // A refused one leaves nothing, and neither does one that changes.
  CHECK(place.account({"add", "x", "--uid", "0", "--gid", "5", "--home", "/h"}).code == 100);
  CHECK(place.account({"import"}, "{\"login\":\"y\",\"uid\":5,\"gid\":5,\"home\":\"/h\"}\n{}\n").code == 100);
  CHECK(place.dot({"set", "--forward", "joe@example.org", "abc", "shop"}).code == 0);
  CHECK(place.account({"import", "--update"}, "{\"login\":\"abc\",\"relay\":true}\n").code == 0);
  CHECK(place.names() == std::vector<std::string>{"abc", "info@x.example"});
  CHECK(fs::exists(place.dots + "/abc/.qmail-shop"));
  // What was begun before is gone on with.
  REQUIRE(mkdir((place.dots + "/begun").c_str(), 0700) == 0);
  place.add("begun", "");
  place.check_new("begun");
  CHECK(place.names() == std::vector<std::string>{"abc", "begun", "info@x.example"});

  unlink(place.home.path("control/dotdir").c_str());
  place.add("without", "");
  CHECK(place.names().size() == 3);
}

TEST_CASE("qmail-account: another group of an account is its rules' too", "[qmail-account][dot]") {
  const RulesPlace place;
  place.add("abc", "");
  REQUIRE(place.dot({"set", "--forward", "joe@example.org", "abc", "shop"}).code == 0);
  const std::string own = place.dots + "/abc", rule = own + "/.qmail-shop", foreign = own + "/.qmail-foreign";
  write_all(open_file(foreign, O_WRONLY | O_CREAT, 0600).get(), "x\n", foreign);
  REQUIRE(symlink("/etc/passwd", (own + "/.qmail-link").c_str()) == 0);
  const auto group = [](const std::string& path) {
    struct stat st {};
    REQUIRE(stat(path.c_str(), &st) == 0);
    return st.st_gid;
  };
  REQUIRE(group(rule) == 47011);

  CHECK(place.account({"set", "abc", "--gid", "47013"}).code == 0);
  CHECK(group(own) == 47013);
  CHECK(mode_of(own) == 02750);
  CHECK(group(rule) == 47013);
  CHECK(mode_of(rule) == 0640);
  REQUIRE(place.dot({"set", "--forward", "joe@example.org", "abc", "later"}).code == 0);
  CHECK(group(own + "/.qmail-later") == 47013);
  // What the panel has not written is nobody's business of ours: it may be a link.
  CHECK(group(foreign) == 47011);
  CHECK(group("/etc/passwd") == 0);

  CHECK(place.account({"import", "--update"}, "{\"login\":\"abc\",\"gid\":47014}\n").code == 0);
  CHECK(group(rule) == 47014);
  // A set that was killed before it came to the rules: once more makes them good.
  REQUIRE(chown(rule.c_str(), static_cast<uid_t>(-1), 47011) == 0);
  CHECK(place.account({"set", "abc", "--gid", "47014"}).code == 0);
  CHECK(group(rule) == 47014);
  // No directory of rules, nothing to do.
  fs::remove_all(own);
  CHECK(place.account({"set", "abc", "--gid", "47015"}).code == 0);
  CHECK(place.names().empty());
}

TEST_CASE("qmail-account: nobody inherits the rules of a deleted account", "[qmail-account][dot]") {
  const RulesPlace place;
  place.add("abc", "");
  REQUIRE(place.dot({"set", "--forward", "joe@example.org", "abc", "shop"}).code == 0);
  const Result deleted = place.account({"delete", "abc"});
  CHECK(deleted.code == 0);
  REQUIRE(deleted.out.starts_with("rules=" + place.dots + "/.abc.2"));
  const std::string aside = deleted.out.substr(6, deleted.out.size() - 7);
  CHECK(fs::exists(aside + "/.qmail-shop"));
  CHECK(owner_of(aside) == 0);  // no customer who is given the old group, and no panel
  CHECK(mode_of(aside) == 0700);
  place.add("abc", "");
  place.check_new("abc");

  // No rules, nothing to keep; and the words for a program.
  CHECK(place.account({"delete", "abc"}).out.empty());
  CHECK(place.names().size() == 1);
  place.add("def", "");
  REQUIRE(place.dot({"set", "--forward", "joe@example.org", "def"}).code == 0);
  CHECK(place.account({"delete", "def", "--json"}).out.starts_with("{\"rules\":\"" + place.dots + "/.def."));
  CHECK(place.names().size() == 2);

  // The account is gone, its rules are not: killed in between. By add and by import they come to nobody.
  for (const bool imported : {false, true}) {
    place.add("ghi", "");
    REQUIRE(place.dot({"set", "--forward", "joe@example.org", "ghi"}).code == 0);
    REQUIRE(rename((place.dots + "/ghi").c_str(), (place.dots + "/kept").c_str()) == 0);
    REQUIRE(place.account({"delete", "ghi"}).code == 0);
    REQUIRE(rename((place.dots + "/kept").c_str(), (place.dots + "/ghi").c_str()) == 0);
    const Result again =
        imported
            ? place.account({"import"}, "{\"login\":\"ghi\",\"uid\":47011,\"gid\":47011,\"home\":\"/h\"}\n")
            : place.account({"add", "ghi", "--uid", "47011", "--gid", "47011", "--home", "/h"});
    CHECK(again.code == 0);
    CHECK(again.err.find(place.dots + "/.ghi.") != std::string::npos);
    place.check_new("ghi");
    REQUIRE(place.account({"delete", "ghi"}).code == 0);
  }
  // What is no directory is not followed.
  REQUIRE(symlink("/etc", (place.dots + "/jkl").c_str()) == 0);
  place.add("jkl", "");
  place.check_new("jkl");
  CHECK(owner_of("/etc") == 0);

  // A user of the system gets mail before and after, so his rules are his.
  place.home.write("control/systemusers", "1\n");
  REQUIRE(place.account({"add", "nobody", "--system", "--home", "/h"}).code == 0);
  REQUIRE(place.dot({"set", "--forward", "joe@example.org", "nobody"}).code == 0);
  CHECK(place.account({"delete", "nobody"}).out.empty());
  CHECK(fs::exists(place.dots + "/nobody/.qmail"));
  REQUIRE(place.account({"add", "nobody", "--system", "--home", "/h"}).code == 0);
  CHECK(fs::exists(place.dots + "/nobody/.qmail"));
}

// delete and add, killed anywhere: an account has its directory whenever it is there, and never a rule of an
// earlier one.
TEST_CASE("qmail-account: rules and kill -9", "[qmail-account][dot]") {
  const RulesPlace place;
  const std::string program = place.home.path("bin/qmail-account");
  const Fd nowhere = open_file("/dev/null", O_RDWR);
  unsigned seed = 1;
  useconds_t longest = 1000;  // grows until a command comes to its end before it is killed
  const auto run_killed = [&](std::vector<std::string> args) {
    args.insert(args.begin(), program);
    Process process({.args = args, .fds = {{1, nowhere.get()}, {2, nowhere.get()}}});
    usleep(static_cast<useconds_t>(rand_r(&seed)) % longest);
    process.signal(SIGKILL);
    if (process.wait(60) != 0) longest += longest / 8;
  };
  Accounts accounts;
  for (int round = 0; round < 12; ++round) {
    while (!accounts.find("abc"))
      run_killed({"add", "abc", "--uid", "47011", "--gid", "47011", "--home", "/h"});
    place.check_new("abc");
    REQUIRE(place.dot({"set", "--forward", "joe@example.org", "abc"}).code == 0);
    while (accounts.find("abc")) {
      REQUIRE(fs::exists(place.dots + "/abc/.qmail"));
      run_killed({"delete", "abc"});
    }
  }
}

TEST_CASE("qmail-account: contracts", "[qmail-account]") {
  const AccountsHome place;
  CHECK(place.account({"contract", "add", "c1"}).code == 100);
  CHECK(place.account({"contract", "add", "c1", "--directory", "/home/c1", "--quota", "1G"}).code == 0);
  CHECK(place.account({"contract", "set", "c1", "--directory", "/www/c1", "--file-system", "project:12"})
            .code == 0);
  CHECK(place.account({"contract", "show", "c1"}).out ==
        "name=c1\nquota=1073741824\nkind=project\nid=12\ndirectory=/home/c1\ndirectory=/www/c1\n");
  place.add("abc", "", {"--contract", "c1"});
  CHECK(place.account({"contract", "delete", "c1"}).code == 100);
  CHECK(place.account({"set", "abc", "--contract", "none"}).code == 0);
  CHECK(place.account({"contract", "delete", "c1"}).code == 0);
  CHECK(place.account({"contract", "list"}).out.empty());
}

TEST_CASE("qmail-account: every change has its line in the audit, and no secret is in it",
          "[qmail-account]") {
  const AccountsHome place;
  place.add("abc", "correct horse");
  place.account({"set", "abc", "--quota", "5"});
  place.account({"passwd", "abc", "--shared"}, "shared horse\n");
  place.account({"delete", "abc"});
  std::vector<std::string> seen;
  std::string audit = place.audit();
  CHECK(audit.find("horse") == std::string::npos);
  CHECK(audit.find("$y$") == std::string::npos);
  while (!audit.empty()) {
    const std::size_t end = audit.find('\n');
    const JsonValue line = JsonValue::parse(audit.substr(0, end));
    audit.erase(0, end + 1);
    CHECK(*line.member("uid")->number() == 0);
    CHECK(*line.member("name")->string() == "abc");
    CHECK(*line.member("generation")->number() == static_cast<std::int64_t>(seen.size() + 1));
    seen.push_back(*line.member("verb")->string());
  }
  CHECK(seen == std::vector<std::string>{"add", "set", "passwd", "delete"});
  CHECK(mode_of(place.home.path("users/accounts.audit")) == 0600);
}

// Eight writers at once, killed now and then: no change is lost that was reported done, none is half there.
TEST_CASE("qmail-account: eight writers and kill -9", "[qmail-account]") {
  const AccountsHome place;
  constexpr int writers = 8, rounds = 12;
  for (int w = 0; w < writers; ++w) place.add("w" + std::to_string(w), "");
  const std::string program = place.home.path("bin/qmail-account");
  std::vector<pid_t> pids;
  std::vector<Fd> results;
  for (int w = 0; w < writers; ++w) {
    FdPair pipe = make_pipe();
    pids.push_back(fork_child("test", [&]() -> int {
      // What is told: "KEPT TRIED", the last number that was reported done and the last one that was tried.
      int kept = 0, tried = 0;
      unsigned seed = static_cast<unsigned>(w);
      const Fd nowhere = open_file("/dev/null", O_RDWR);
      for (int round = 1; round <= rounds; ++round) {
        tried = round;
        const std::string number = std::to_string(round);
        const Start start{
            .args = {program, "set", "w" + std::to_string(w), "--messages", number, "--quota", number},
            .fds = {{1, nowhere.get()}, {2, nowhere.get()}}};
        Process process(start);
        if (rand_r(&seed) % 3 == 0) {
          usleep(static_cast<useconds_t>(rand_r(&seed) % 20000));
          process.signal(SIGKILL);
        }
        if (process.wait(60) == 0) kept = round;
      }
      write_all(pipe.second.get(), std::to_string(kept) + " " + std::to_string(tried), "result");
      return 0;
    }));
    results.push_back(std::move(pipe.first));
  }
  Accounts accounts;
  for (int w = 0; w < writers; ++w) {
    CHECK(wait_for_child(pids[static_cast<std::size_t>(w)]) == 0);
    const std::string text = *read_all(results[static_cast<std::size_t>(w)].get(), 100, "result");
    const auto kept = std::stoul(text), tried = std::stoul(text.substr(text.find(' ')));
    const std::optional<Account> account = accounts.find("w" + std::to_string(w));
    REQUIRE(account);
    CAPTURE(w, kept, tried, account->quota_messages);
    CHECK(account->quota_messages >= kept);
    CHECK(account->quota_messages <= tried);
    CHECK(account->quota_bytes == account->quota_messages);
  }
  // and the next change is not hindered by what a killed one left
  CHECK(place.account({"set", "w0", "--messages", "99"}).code == 0);
  CHECK(accounts.find("w0")->quota_messages == 99);
}

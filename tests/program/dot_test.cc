// qmail-dot and qmail-dotd: their manual pages. Rules as panels write them, who may, and what many writers,
// deliveries and sudden deaths at once leave behind.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/mail/json_value.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t abc_uid = 71001, shared_uid = 71002, panel_uid = 71003, other_uid = 71004;
constexpr gid_t abc_gid = 71001, shared_gid = 71002;

struct stat status_of(const std::string& path) {
  struct stat status {};
  INFO(path);
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status;
}

// A home of the suite with a few accounts, and a control/dotdir.
class Stage {
 public:
  Stage()
      : home_{"qmail-dot", "qmail-dotd", "qmail-local", "qmail-getpw"},
        qmailc_(*passwd_user(std::string(conf::user_qmailc))) {
    dots = scratch_.path() + "/dots";
    home_.write("control/me", "mail.example\n");
    home_.write("control/locals", "mail.example\n");
    home_.write("control/subdomains", "pobox.example\n");
    home_.write("control/dotdir", dots + "\n");
    home_.write("control/panels", std::to_string(panel_uid) + "\n");
    CdbWriter table(home_.path("users/accounts.cdb"));
    table.add("", encode_generation(1));
    for (const auto& [login, uid, gid] : {std::tuple<const char*, uid_t, gid_t>{"abc", abc_uid, abc_gid},
                                          {"one", shared_uid, shared_gid},
                                          {"two", shared_uid, shared_gid}}) {
      Account account;
      account.login = login;
      account.uid = uid;
      account.gid = gid;
      account.home = scratch_.directory(login, uid);
      table.add(std::string("a") + login, encode_account(account));
      for (const char* part : {"", "/new", "/cur", "/tmp"}) {
        const std::string path = account.home + "/Maildir" + part;
        REQUIRE(mkdir(path.c_str(), 0700) == 0);
        REQUIRE(chown(path.c_str(), uid, gid) == 0);
      }
    }
    table.commit();
    REQUIRE(mkdir(home_.path("panel").c_str(), 0755) == 0);
    REQUIRE(chown(home_.path("panel").c_str(), qmailc_.uid, qmailc_.gid) == 0);
    REQUIRE(dot({"init"}).code == 0);
  }

  Result dot(std::vector<std::string> args, std::string_view input = "") const {
    args.insert(args.begin(), program());
    return test::run(args, input);
  }
  Result dot_as(uid_t uid, std::vector<std::string> args, std::string_view input = "") const {
    args.insert(args.begin(), program());
    return run_as(uid, static_cast<gid_t>(uid), args, input);
  }
  std::string program() const { return home_.path("bin/qmail-dot"); }
  std::string home_of(const std::string& login) const { return scratch_.path() + "/" + login; }
  std::string file(const std::string& name, const std::string& login = "abc") const {
    return dots + "/" + login + "/" + name;
  }
  // As by hand.
  void put(const std::string& name, const std::string& text) const {
    const Fd made = open_file(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);
    write_all(made.get(), text, name);
    REQUIRE(fchown(made.get(), qmailc_.uid, abc_gid) == 0);
  }
  const PrivateHome& home() const { return home_; }
  const User& qmailc() const { return qmailc_; }

  std::string dots;

 private:
  PrivateHome home_;
  Scratch scratch_;
  User qmailc_;
};

// The service, ready to be asked.
class Service {
 public:
  explicit Service(const Stage& stage)
      : path_(stage.home().path("panel/s")), process_({.args = {stage.home().path("bin/qmail-dotd")}}) {
    REQUIRE(eventually([&] { return connected().get() >= 0; }));
  }
  Fd connected() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Fd();
    return socket;
  }
  // The answers to what is written, as root.
  std::string ask(const std::string& text, const std::string& until = "\n") const {
    const Fd socket = connected();
    REQUIRE(socket);
    // It may hang up before all of it is there.
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t n = send(socket.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    return read_until(socket.get(), until);
  }
  Process& process() { return process_; }

 private:
  std::string path_;
  Process process_;
};

std::string member(const std::string& json, const char* name) {
  const JsonValue value = JsonValue::parse(json);
  const JsonValue* found = value.member(name);
  return found != nullptr && found->string() != nullptr ? *found->string() : "";
}

}  // namespace

TEST_CASE("qmail-dot: rules are dot-files of the panel's user", "[dot]") {
  const Stage stage;
  const std::string rule =
      R"({"forward":["a@x.example","b@x.example"],"folder":"Shop","vacation":{"text":"away\n","until":"2030-01-01"}})";
  const Result set = stage.dot({"set", "--json", "--", "abc", "Team.X"}, rule + "\n");
  CHECK(set.err.empty());
  CHECK(set.code == 0);
  CHECK(slurp(stage.file(".qmail-team:x")) ==
        "|qmail-vacation -u 2030-01-01 -- 'away\\n'\n./Maildir/.Shop/\n&a@x.example\n&b@x.example\n");
  const struct stat file = status_of(stage.file(".qmail-team:x")), directory = status_of(stage.file(""));
  CHECK(file.st_uid == stage.qmailc().uid);
  CHECK(file.st_gid == abc_gid);
  CHECK((file.st_mode & 07777) == 0640);
  CHECK(directory.st_uid == stage.qmailc().uid);
  CHECK(directory.st_gid == abc_gid);
  CHECK((directory.st_mode & 07777) == 02750);

  const Result get = stage.dot({"get", "--json", "abc", "team.x"});
  CHECK(get.out == set.out);
  CHECK(stage.dot({"set", "--json", "abc", "team.x"}, R"({"keep":true})").out == set.out);
  CHECK(stage.dot({"get", "abc", "team.x"}).out ==
        "abc team.x\n  keep in Shop\n  forward a@x.example\n  forward b@x.example\n  vacation on, until "
        "2030-01-01\n"
        "    away\n    \n");
  CHECK(stage.dot({"set", "abc", "--forward", "z@x.example", "--no-keep"}).code == 0);
  CHECK(slurp(stage.file(".qmail")) == "&z@x.example\n");
  const Result list = stage.dot({"list", "--json", "--", "abc"});
  CHECK(JsonValue::parse(list.out).member("rules")->items()->size() == 2);
  CHECK(stage.dot({"delete", "abc"}).out == "deleted\n");
  CHECK(stage.dot({"delete", "abc"}).out == "there was no rule\n");
  CHECK_FALSE(fs::exists(stage.file(".qmail")));

  // By hand: what is not understood survives; a program line is qmail-local's to refuse, and ours to name.
  stage.put(".qmail-hand", "# mine\n./Maildir/\nold@x.example\n./Mailbox\n");
  CHECK(stage.dot({"set", "abc", "hand", "--forward", "new@x.example"}).code == 0);
  CHECK(slurp(stage.file(".qmail-hand")) == "# mine\n./Maildir/\n./Mailbox\n&new@x.example\n");
  stage.put(".qmail-prog", "|/bin/true\n");
  const Result program = stage.dot({"set", "abc", "prog", "--keep"});
  CHECK(program.code == 100);
  CHECK(program.err.find("runs a program") != std::string::npos);
  CHECK(slurp(stage.file(".qmail-prog")) == "|/bin/true\n");
}

TEST_CASE("qmail-dot: each refusal is one sentence, and changes nothing", "[dot]") {
  const Stage stage;
  struct Row {
    std::vector<std::string> args;
    std::string input;
    int code;
    const char* text;
  };
  std::string eleven;
  for (int i = 0; i < 11; ++i)
    eleven += (i > 0 ? "," : "") + std::string("\"a") + std::to_string(i) + "@x.example\"";
  const Row rows[] = {
      {{"set", "--json", "abc", "x"},
       "{\"forward\":[" + eleven + "]}",
       100,
       "an address may be forwarded to 10 others at most"},
      {{"set", "abc", "x", "--forward", "joe"}, "", 100, "\"joe\" is not a complete address"},
      {{"set", "abc", "x", "--forward", "abc-x@mail.example"}, "", 100, "loop"},
      {{"set", "abc", "x", "--forward", "X@abc.pobox.example"}, "", 100, "loop"},
      {{"set", "abc", "default", "--forward", "anything@abc.pobox.example"}, "", 100, "loop"},
      {{"set", "abc", "../../etc/x", "--keep"}, "", 100, "an extension has no slash"},
      {{"set", "abc", std::string(300, 'x'), "--keep"}, "", 100, "an extension has no slash"},
      {{"set", "abc", "x", "--no-keep"}, "", 100, "nothing would become of the mail"},
      {{"set", "--json", "abc", "x"}, "{", 100, "JSON: "},
      {{"set", "nobody-here", "x", "--keep"}, "", 100, "there is no account of that name"},
      {{"set", "../abc", "x", "--keep"}, "", 100, "there is no account of that name"},
      {{"set", "root", "x", "--keep"}, "", 100, "there is no account of that name"},
      {{"put", "abc"}, "", 100, "usage"},
  };
  for (const Row& row : rows) {
    INFO(row.args.back() << row.input);
    const Result result = stage.dot(row.args, row.input);
    CHECK(result.code == row.code);
    CHECK((result.err + result.out).find(row.text) != std::string::npos);
  }
  CHECK(names_in(stage.file("")) == std::vector<std::string>{".qmail-dot.lock"});

  // A loop over another account's rule.
  CHECK(stage.dot({"set", "two", "b", "--forward", "abc-a@mail.example"}).code == 0);
  CHECK(stage.dot({"set", "abc", "a", "--forward", "two-b@mail.example"}).code == 100);
  CHECK(stage.dot({"set", "abc", "a", "--forward", "two-c@mail.example"}).code == 0);
  CHECK(stage.dot({"set", "one", "a", "--forward", "abc-a@mail.example", "--forward", "one-b@mail.example"})
            .code == 0);
  // Another limit.
  stage.home().write("control/dotmaxforwards", "1\n");
  CHECK(stage.dot({"set", "abc", "a", "--forward", "x@x.example", "--forward", "y@x.example"}).code == 100);
  stage.home().write("control/dotmaxrules", "1\n");
  CHECK(stage.dot({"set", "abc", "new", "--keep"}).code == 100);
  CHECK(stage.dot({"set", "abc", "a", "--keep"}).code == 0);
}

TEST_CASE("qmail-dot test: where a message would go", "[dot]") {
  const Stage stage;
  REQUIRE(stage.dot({"set", "abc", "shop", "--forward", "two-b@mail.example", "--forward", "far@x.example"})
              .code == 0);
  const Result told = stage.dot({"test", "shop@abc.pobox.example"});
  CHECK(told.out ==
        "shop@abc.pobox.example: local, account abc, .qmail-shop\n  maildir ./Maildir/\n  forward "
        "two-b@mail.example\n"
        "  forward far@x.example\n"
        "two-b@mail.example, forwarded by shop@abc.pobox.example: local, account two\n"
        "  Sorry, no mailbox here by that name. (#5.1.1)\n"
        "far@x.example, forwarded by shop@abc.pobox.example: remote\n");
  CHECK(told.code == 0);
  CHECK(stage.dot({"test", "any@abc.pobox.example"}).out ==
        "any@abc.pobox.example: local, account abc\n  maildir ./Maildir/\n");
  CHECK(stage.dot({"test", "x@nosuch.pobox.example"}).out.find("no mailbox here") != std::string::npos);
  // A loop that was made by hand.
  stage.put(".qmail-l", "&l2@abc.pobox.example\n");
  stage.put(".qmail-l2", "&l@abc.pobox.example\n");
  CHECK(stage.dot({"test", "--json", "l@abc.pobox.example"}).out.find("\"loop\":true,\"steps\"") !=
        std::string::npos);
  CHECK(stage.dot({"test", "not an address"}).code == 100);
}

TEST_CASE("qmail-dotd: a customer never reaches another's rules", "[dot]") {
  const Stage stage;
  Service service(stage);
  // his own, by the same command
  CHECK(stage.dot_as(abc_uid, {"set", "abc", "x", "--forward", "a@x.example"}).code == 0);
  CHECK(slurp(stage.file(".qmail-x")) == "./Maildir/\n&a@x.example\n");
  CHECK(status_of(stage.file(".qmail-x")).st_uid == stage.qmailc().uid);
  CHECK(stage.dot_as(abc_uid, {"get", "abc", "x"}).out == "abc x\n  keep\n  forward a@x.example\n");
  // not another's: one answer, whether that is there or not; not one of two who share a uid; not alias'
  REQUIRE(stage.dot({"set", "one", "s", "--keep"}).code == 0);
  for (const char* account : {"one", "two", "nobody-here", "alias", "root", "../abc"})
    for (const char* what : {"get", "delete"}) {
      const Result result = stage.dot_as(abc_uid, {what, "--json", "--", account, "s"});
      INFO(account);
      CHECK(result.code == 100);
      CHECK(member(result.out, "error") == "that account is not yours");
    }
  CHECK(stage.dot_as(shared_uid, {"set", "one", "s", "--no-keep", "--discard"}).code == 100);
  CHECK(stage.dot_as(other_uid, {"list", "abc"}).code == 100);
  CHECK(stage.dot_as(other_uid, {"test", "x@abc.pobox.example"}).code == 100);
  CHECK(slurp(stage.file(".qmail-s", "one")) == "./Maildir/\n");
  // nor by the file system
  CHECK_FALSE(run_as(abc_uid, abc_gid, {"/bin/sh", "-c", "echo x >" + stage.file(".qmail-x")}).code == 0);
  CHECK_FALSE(run_as(abc_uid, abc_gid, {"/bin/sh", "-c", "rm " + stage.file(".qmail-x")}).code == 0);
  CHECK_FALSE(run_as(abc_uid, abc_gid, {"/bin/cat", stage.file(".qmail-s", "one")}).code == 0);
  // what others do with their mail is not told
  REQUIRE(stage.dot({"set", "one", "s", "--forward", "secret@x.example"}).code == 0);
  REQUIRE(stage.dot_as(abc_uid, {"set", "abc", "x", "--forward", "one-s@mail.example"}).code == 0);
  const Result told = stage.dot_as(abc_uid, {"test", "--json", "x@abc.pobox.example"});
  CHECK(told.code == 0);
  CHECK(told.out.find("one-s@mail.example") != std::string::npos);
  CHECK(told.out.find("secret") == std::string::npos);
  CHECK(told.out.find("\"account\":\"one\"") == std::string::npos);
  // a panel: all
  CHECK(stage.dot_as(panel_uid, {"get", "one", "s"}).code == 0);
  CHECK(stage.dot_as(panel_uid, {"test", "x@abc.pobox.example"}).out.find("secret@x.example") !=
        std::string::npos);
}

TEST_CASE("qmail-dotd: hostile talk", "[dot]") {
  const Stage stage;
  Service service(stage);
  CHECK(service
            .ask("{\"do\":\"get\",\"account\":\"abc\"}\n{\"do\":\"list\",\"account\":\"abc\"}\n",
                 "\"rules\":[]}\n")
            .find("\"rules\"") != std::string::npos);
  for (const std::string& text : std::vector<std::string>{
           "\n", "{}\n", "[]\n", "null\n", "{\"do\":1}\n", "{\"do\":\"drop\"}\n", "{\"do\":\"get\"}\n",
           "{\"do\":\"get\",\"account\":\"abc\",\"ext\":1}\n", "{\"do\":\"set\",\"account\":\"abc\"}\n",
           "{\"do\":\"get\",\"account\":\"abc\\u0000\"}\n", "\xff\xfe\n"}) {
    INFO(text);
    CHECK(service.ask(text).starts_with("{\"ok\":false,\"code\":100"));
  }
  CHECK(service.ask(std::string(300000, 'x')).find("256 KiB") != std::string::npos);
  std::vector<Fd> crowd;
  for (int i = 0; i < 70; ++i) crowd.push_back(service.connected());
  crowd.clear();
  CHECK(service.ask("{\"do\":\"get\",\"account\":\"abc\"}\n").starts_with("{\"ok\":true"));
  // A second one does not take its place; killed, it leaves nothing in the way.
  CHECK(test::run({stage.home().path("bin/qmail-dotd")}).err.find("somebody listens there already") !=
        std::string::npos);
  service.process().signal(SIGKILL);
  service.process().wait();
  Service again(stage);
  again.process().signal(SIGTERM);
  CHECK(again.process().wait() == 0);
}

TEST_CASE("qmail-dot: in the homes, without control/dotdir", "[dot]") {
  const Stage stage;
  REQUIRE(unlink(stage.home().path("control/dotdir").c_str()) == 0);
  CHECK(stage.dot({"set", "abc", "x", "--forward", "a@x.example"}).code == 0);
  const struct stat file = status_of(stage.home_of("abc") + "/.qmail-x");
  CHECK(file.st_uid == abc_uid);
  CHECK((file.st_mode & 07777) == 0600);
  CHECK(stage.dot_as(abc_uid, {"set", "abc", "x", "--no-forward"}).code == 0);
  CHECK(slurp(stage.home_of("abc") + "/.qmail-x") == "./Maildir/\n");
  CHECK(stage.dot_as(abc_uid, {"get", "one", "x"}).code == 100);
  CHECK(stage.dot({"set", "abc", "old", "--refuse", "It's closed"}).code == 0);
  const Result closed = stage.dot({"test", "abc-old@mail.example"});
  INFO(closed.out << closed.err);
  CHECK(closed.out.find("refused by \"550 5.7.1 It's closed (#5.7.1)\"") != std::string::npos);
  CHECK(stage.dot({"init"}).code == 100);
}

TEST_CASE("eight writers and eight deliveries at once, some of them killed: no half rule, no lost message",
          "[dot]") {
  const Stage stage;
  REQUIRE(stage.dot({"set", "abc", "p", "--keep"}).code == 0);
  const std::string maildir = stage.home_of("abc") + "/Maildir";
  // Two rules, whose lines must never be mixed: each delivers once.
  const std::string rules[] = {
      R"({"keep":true,"folder":"Shop","vacation":{"on":false,"text":"first first first"}})",
      R"({"keep":true,"folder":null,"vacation":null})"};
  const std::string texts[] = {"#|qmail-vacation -- 'first first first'\n./Maildir/.Shop/\n", "./Maildir/\n"};
  stage.put(".qmail-p", "# mine\n" + texts[1]);
  constexpr int rounds = 12, at_once = 8;
  std::minstd_rand random(7);
  std::size_t accepted = 0, killed = 0;
  for (int round = 0; round < rounds; ++round) {
    struct Running {
      pid_t pid;
      bool writer;
    };
    std::vector<Running> running;
    for (int i = 0; i < at_once; ++i) {
      running.push_back({fork_child("writer",
                                    [&]() -> int {
                                      // fed by a pipe of its own
                                      FdPair pipe = make_pipe();
                                      write_all(pipe.second.get(), rules[i % 2], "rule");
                                      pipe.second.reset();
                                      move_to(std::move(pipe.first), 0);
                                      move_to(open_file("/dev/null", O_WRONLY), 1);
                                      exec_program({stage.program(), "set", "--json", "--", "abc", "p"});
                                    }),
                         true});
      const std::string text = "Subject: " + std::to_string(round) + "." + std::to_string(i) + "\n\n" +
                               std::string(3000, 'x') + "\nend\n";
      running.push_back(
          {fork_child("delivery",
                      [&]() -> int {
                        const std::string name = stage.home().path("queue/message") + std::to_string(i);
                        unlink(name.c_str());
                        Fd message = open_file(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
                        write_all(message.get(), text, "message");
                        lseek(message.get(), 0, SEEK_SET);
                        move_to(std::move(message), 0);
                        move_to(open_file("/dev/null", O_WRONLY), 1);

                        become(abc_uid, abc_gid);
                        exec_program({stage.home().path("bin/qmail-local"), "--", "abc", stage.home_of("abc"),
                                      "abc-p", "-", "p", "mail.example", "s@x.example", "./Maildir/"});
                      }),
           false});
    }
    for (const Running& one : running)
      if (random() % 5 == 0) {
        usleep(static_cast<useconds_t>(random() % 4000));
        kill(one.pid, SIGKILL);
      }
    for (const Running& one : running) {
      const int status = wait_for_child(one.pid);
      if (WIFSIGNALED(status)) {
        ++killed;
      } else {
        INFO((one.writer ? "writer" : "delivery") << " in round " << round);
        CHECK(WEXITSTATUS(status) == 0);
        accepted += !one.writer;
      }
    }
    const std::string now = slurp(stage.file(".qmail-p"));
    INFO(now);
    // Whichever came last; the reply that is switched off stands behind the comment, the copy behind it.
    CHECK((now == "# mine\n" + texts[0] || now == "# mine\n" + texts[1]));
  }
  std::size_t found = 0;
  for (const char* folder : {"/new", "/.Shop/new"})
    for (const std::string& name : names_in(maildir + folder)) {
      const std::string text = slurp(maildir + folder + "/" + name);
      CHECK(text.ends_with("x\nend\n"));
      CHECK(text.find("Delivered-To: abc-p@mail.example\n") != std::string::npos);
      ++found;
    }
  CHECK(accepted > 0);
  CHECK(killed > 0);
  CHECK(found >= accepted);
  CHECK(found <= static_cast<std::size_t>(rounds * at_once));
  // What the dead left is nobody's trouble.
  CHECK(stage.dot({"set", "abc", "p", "--folder", "Shop"}).code == 0);
}

// qmail-local for an account, and with the .qmail files of a panel ($QMAILACCOUNT, control/dotdir):
// qmail-local(8).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/store/maildir.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/local_home.h"

using namespace hato;
using namespace hato::test;

namespace {

// control/dotdir, and what is in it for joe.
class PanelFiles {
 public:
  explicit PanelFiles(const LocalHome& home)
      : path_(home.scratch.file("dots")), control_(Controls{{"dotdir", path_ + "\n"}}, {}) {
    for (const std::string& each : {path_, path_ + "/joe"}) {
      REQUIRE(mkdir(each.c_str(), 0755) == 0);
      REQUIRE(chown(each.c_str(), panel, joe_gid) == 0);
    }
    REQUIRE(chmod((path_ + "/joe").c_str(), 0750) == 0);
  }
  void file(const std::string& name, const std::string& content, uid_t owner = panel) const {
    const std::string full = path_ + "/joe/" + name;
    write_all(open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), content, full);
    REQUIRE(chown(full.c_str(), owner, joe_gid) == 0);
    REQUIRE(chmod(full.c_str(), 0640) == 0);
  }

 private:
  static constexpr uid_t panel = 64220;
  std::string path_;
  ControlFiles control_;
};

std::string account_text(const LocalHome& home, bool any, bool programs = false) {
  return "login=joe\n" + std::string(any ? "any=1\n" : "") + "uid=" + std::to_string(joe_uid) +
         "\ngid=" + std::to_string(joe_gid) + "\nhome=" + home.path + "\nmailbox=./Maildir/\n" +
         (programs ? "programs=1\n" : "");
}

}  // namespace

TEST_CASE("qmail-local: $QMAILACCOUNT says whether the mailbox takes any extension, and no program sees it") {
  const LocalHome home;
  home.maildir();
  const LocalCall plain{.dash = "-", .ext = "no.such/../rule"};
  CHECK(home.deliver(plain).code == 100);
  LocalCall any = plain;
  any.env = {{"QMAILACCOUNT", account_text(home, true)}};
  CHECK(home.deliver(any).out == "did 1+0+0\n");
  CHECK(home.delivered().size() == 1);
  any.env = {{"QMAILACCOUNT", account_text(home, false)}};
  CHECK(home.deliver(any).err == "Sorry, no mailbox here by that name. (#5.1.1)\n");
  any.env = {{"QMAILACCOUNT", "rubbish"}};
  CHECK(home.deliver(any).code == 100);
  home.file(".qmail-env", "|echo \"[${QMAILACCOUNT-none}]\"");
  CHECK(home.deliver({.dash = "-", .ext = "env", .env = {{"QMAILACCOUNT", account_text(home, true)}}}).out ==
        "[none]\ndid 0+0+1\n");
}

TEST_CASE("qmail-local: control/dotdir: the home's .qmail files have no effect") {
  const LocalHome home;
  const PanelFiles panel(home);
  home.maildir();
  home.maildir("Other");
  home.file(".qmail", "./Other/\n");
  home.file(".qmail-x", "|touch stolen\n");
  CHECK(home.deliver().out == "did 1+0+0\n");
  CHECK(home.delivered().size() == 1);
  CHECK(home.deliver({.dash = "-", .ext = "x"}).code == 100);
  panel.file(".qmail-x", "./Other/\n");
  CHECK(home.deliver({.dash = "-", .ext = "x"}).out == "did 1+0+0\n");
  CHECK(home.delivered("Other").size() == 1);
  CHECK_FALSE(home.has("stolen"));
}

TEST_CASE("qmail-local: control/dotdir: what a panel's file may not do") {
  const LocalHome home;
  const PanelFiles panel(home);
  home.maildir();
  const std::string outside = home.scratch.file("outside");
  make_maildir(outside);
  for (const char* part : {"", "/tmp", "/new", "/cur"}) home.own(outside + part);
  struct Row {
    std::string text, said;
  };
  REQUIRE(symlink(outside.c_str(), (home.path + "/link").c_str()) == 0);
  home.own(home.path + "/link");
  for (const Row& row : {
           Row{"./Maildir/\n|touch stolen\n",
               "Uh-oh: line 2 of .qmail file runs a program, which is not allowed here. (#4.7.0)\n"},
           Row{"|bouncesaying x sh -c 'touch stolen'\n",
               "Uh-oh: line 1 of .qmail file runs a program, which is not allowed here. (#4.7.0)\n"},
           Row{outside + "/\n",
               "Uh-oh: line 1 of .qmail file names a file outside the home directory. (#4.7.0)\n"},
           Row{"./Maildir/\n./../outside/\n",
               "Uh-oh: line 2 of .qmail file names a file outside the home directory. (#4.7.0)\n"},
           Row{"./link/\n", "Uh-oh: ./link leads out of the home directory. (#4.7.0)\n"},
           Row{"./link/new/box\n", "Uh-oh: ./link/new/box leads out of the home directory. (#4.7.0)\n"},
       }) {
    panel.file(".qmail", row.text);
    const Outcome outcome = home.deliver();
    CAPTURE(row.text);
    CHECK(outcome.code == 111);
    CHECK(outcome.err == row.said);
  }
  CHECK(home.delivered().empty());
  CHECK(names_in(outside + "/new").empty());
  CHECK_FALSE(home.has("stolen"));
  panel.file(".qmail", "|touch allowed\n");
  CHECK(home.deliver({.env = {{"QMAILACCOUNT", account_text(home, false, true)}}}).out == "did 0+0+1\n");
  CHECK(home.has("allowed"));
  panel.file(".qmail", "|touch stolen\n", joe_uid);  // his own file
  const Outcome own = home.deliver({.env = {{"QMAILACCOUNT", account_text(home, false, true)}}});
  CHECK(own.code == 111);
  CHECK(own.err == "Uh-oh: .qmail file does not belong to the panel. (#4.7.0)\n");
}

TEST_CASE("qmail-local: control/dotdir: our own programs, without a shell") {
  const LocalHome home;
  const PanelFiles panel(home);
  home.maildir();
  panel.file(".qmail", "|bouncesaying 'It'\\''s closed. $(touch stolen) `touch stolen`; touch stolen'\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 100);
  CHECK(outcome.err == "It's closed. $(touch stolen) `touch stolen`; touch stolen\n");
  CHECK_FALSE(home.has("stolen"));
  CHECK(home.delivered().empty());
  const Outcome described = home.deliver({.options = {"-n"}});
  CHECK(described.code == 0);
  CHECK(described.out.starts_with("program bouncesaying 'It"));
  CHECK(described.out.ends_with("did 0+0+1\n"));
}

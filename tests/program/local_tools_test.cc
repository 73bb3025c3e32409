// maildirmake, maildir2mbox, bouncesaying, except, preline, qbiff: their manual pages of qmail.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/clock.h"
#include "lib/mail/date.h"
#include "tests/catch.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;
namespace fs = std::filesystem;

namespace {

void age(const std::string& path, std::int64_t seconds) {
  const timespec then{static_cast<time_t>(now_seconds() - seconds), 0};
  const timespec times[2] = {then, then};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

Outcome tool(const std::vector<std::string>& words, const std::string& input = "",
             const std::map<std::string, std::string>& env = {}) {
  std::vector<std::string> args = words;
  args[0] = installed(args[0]);
  return run({args, env}, input);
}

}  // namespace

TEST_CASE("maildirmake(1)") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.file("Maildir");
  CHECK(tool({"maildirmake", maildir}).code == 0);
  CHECK(names_in(maildir) == std::vector<std::string>{"cur", "new", "tmp"});
  for (const char* part : {"", "/cur", "/new", "/tmp"}) {
    struct stat status;
    REQUIRE(stat((maildir + part).c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);
  }
  const Outcome again = tool({"maildirmake", maildir});
  CHECK(again.code == 111);
  CHECK(again.err == "maildirmake: mkdir " + maildir + ": File exists\n");
  CHECK(tool({"maildirmake"}).code == 100);
}

TEST_CASE("bouncesaying(1) and except(1)") {
  struct Row {
    std::vector<std::string> words;
    int code;
    const char* err;
  };
  const Row rows[] = {
      {{"bouncesaying", "No mail, please."}, 100, "No mail, please.\n"},
      {{"bouncesaying", "No.", "true"}, 100, "No.\n"},
      {{"bouncesaying", "No.", "sh", "-c", "grep -q spam"}, 100, "No.\n"},  // reads the message
      {{"bouncesaying", "No.", "sh", "-c", "grep -q ham"}, 0, ""},
      {{"bouncesaying", "No.", "sh", "-c", "exit 111"}, 111, "bouncesaying: fatal: temporary child error\n"},
      {{"bouncesaying", "No.", "/nonexistent/program"}, 0, ""},
      {{"bouncesaying", "No.", "sh", "-c", "kill -9 $$"}, 111, "bouncesaying: fatal: child crashed\n"},
      {{"bouncesaying"}, 100, "bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]\n"},
      {{"except", "true"}, 100, ""},
      {{"except", "false"}, 0, ""},
      {{"except", "sh", "-c", "exit 100"}, 0, ""},
      {{"except", "sh", "-c", "exit 111"}, 111, "except: fatal: temporary child error\n"},
      {{"except", "sh", "-c", "kill -9 $$"}, 111, "except: fatal: child crashed\n"},
      {{"except"}, 100, "except: usage: except program [ arg ... ]\n"},
  };
  for (const Row& row : rows) {
    const Outcome outcome = tool(row.words, "this is spam\n");
    INFO(row.words.back());
    CHECK(outcome.code == row.code);
    CHECK(outcome.err == row.err);
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("preline(1)") {
  const std::map<std::string, std::string> env = {
      {"UFLINE", "From s Thu\n"}, {"RPLINE", "Return-Path: <s>\n"}, {"DTLINE", "Delivered-To: r\n"}};
  struct Row {
    std::vector<std::string> words;
    int code;
    std::string out;
  };
  const Row rows[] = {
      {{"preline", "cat"}, 0, "From s Thu\nReturn-Path: <s>\nDelivered-To: r\nbody\n"},
      {{"preline", "-f", "cat"}, 0, "Return-Path: <s>\nDelivered-To: r\nbody\n"},
      {{"preline", "-fr", "cat", "-"}, 0, "Delivered-To: r\nbody\n"},
      {{"preline", "-d", "-fF", "cat"}, 0, "From s Thu\nReturn-Path: <s>\nbody\n"},
      {{"preline", "-frd", "--", "cat"}, 0, "body\n"},
      {{"preline", "sh", "-c", "exit 77"}, 77, ""},
      {{"preline", "sh", "-c", "kill -9 $$"}, 111, ""},
      {{"preline", "/nonexistent/program"}, 111, ""},  // a missing program never bounces mail
      {{"preline", "-x", "cat"}, 100, ""},
      {{"preline"}, 100, ""},
  };
  for (const Row& row : rows) {
    const Outcome outcome = tool(row.words, "body\n", env);
    INFO(row.words[1 % row.words.size()]);
    CHECK(outcome.code == row.code);
    CHECK(outcome.out == row.out);
  }
  CHECK(tool({"preline", "cat"}, "body\n", {{"UFLINE", "x"}}).code == 100);
  // A program that has seen enough may stop reading.
  CHECK(tool({"preline", "sh", "-c", "read line; exit 0"}, std::string(3 << 20, 'x'), env).code == 0);
}

TEST_CASE("maildir2mbox(1): moves messages in order, quoted, and loses none") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.file("Maildir"), mbox = scratch.file("Mailbox");
  const std::map<std::string, std::string> env = {
      {"MAILDIR", maildir}, {"MAIL", mbox}, {"MAILTMP", scratch.file("Mailbox.tmp")}};
  REQUIRE(tool({"maildirmake", maildir}).code == 0);
  CHECK(tool({"maildir2mbox"}, "", env).code == 0);
  CHECK_FALSE(fs::exists(mbox));  // nothing new: nothing done

  scratch.write("Mailbox", "From old Thu\n\nold\n\n");
  chmod(mbox.c_str(), 0640);
  scratch.write("Maildir/new/b", "Return-Path: <a b@x>\nDelivered-To: r\n\nFrom me\n");
  scratch.write("Maildir/cur/a:2,S", "Return-Path: <>\n\nno end");
  scratch.write("Maildir/new/c", "Subject: no return path\n\n");
  scratch.write("Maildir/new/now", "not yet\n");
  scratch.write("Maildir/new/.hidden", "x\n");
  scratch.write("Maildir/tmp/stale", "x\n");
  scratch.write("Maildir/tmp/fresh", "x\n");
  age(maildir + "/new/b", 2000);
  age(maildir + "/cur/a:2,S", 3000);
  age(maildir + "/new/c", 1000);
  age(maildir + "/new/now", -100);
  const auto when = [&](const char* name) {
    struct stat status;
    REQUIRE(stat((maildir + name).c_str(), &status) == 0);
    return mbox_date(status.st_mtime);
  };
  const std::string expected = "From old Thu\n\nold\n\nFrom MAILER-DAEMON " + when("/cur/a:2,S") +
                               "\nReturn-Path: <>\n\nno end\n\nFrom a-b@x " + when("/new/b") +
                               "\nReturn-Path: <a b@x>\nDelivered-To: r\n\n>From me\n\nFrom XXX " +
                               when("/new/c") + "\nSubject: no return path\n\n\n";
  const Outcome outcome = tool({"maildir2mbox"}, "", env);
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  CHECK(slurp(mbox) == expected);
  struct stat status;
  REQUIRE(stat(mbox.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  CHECK(names_in(maildir + "/new") == std::vector<std::string>{".hidden", "now"});
  CHECK(names_in(maildir + "/cur").empty());
  CHECK(names_in(maildir + "/tmp") == std::vector<std::string>{"fresh", "stale"});  // touched just now: ctime
}

TEST_CASE("maildir2mbox(1): what goes wrong") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.file("Maildir");
  CHECK(tool({"maildir2mbox"}).err == "maildir2mbox: fatal: MAILDIR not set\n");
  REQUIRE(tool({"maildirmake", maildir}).code == 0);
  scratch.write("Maildir/new/a", "x\n");
  age(maildir + "/new/a", 1000);
  const Outcome outcome = tool(
      {"maildir2mbox"}, "",
      {{"MAILDIR", maildir}, {"MAIL", scratch.file("Mailbox")}, {"MAILTMP", scratch.file("no/such/tmp")}});
  CHECK(outcome.code == 111);
  CHECK(slurp(maildir + "/new/a") == "x\n");
}

TEST_CASE("qbiff(1) never fails a delivery") {
  CHECK(tool({"qbiff"}).code == 0);
  const Outcome outcome =
      tool({"qbiff"}, "Subject: x\n\ny\n", {{"USER", "hato-nobody"}, {"SENDER", "s"}, {"LOCAL", "l"}});
  CHECK(outcome.code == 0);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.empty());
}

// Dot-files as a panel's tool writes them (lib/store/rule_directory.h), and who has got which reply
// (lib/store/reply_record.h).
#include "lib/store/rule_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/store/maildir.h"
#include "lib/store/reply_record.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("rule files: their names", "[rule_directory]") {
  CHECK(rule_file_name("") == ".qmail");
  CHECK(rule_file_name("Shop.A") == ".qmail-shop:a");
  CHECK(rule_file_name("..") == ".qmail-::");
  CHECK(rule_file_name("%00") == ".qmail-%00");
  CHECK(rule_file_name("\xe9\xb3\xa9") == ".qmail-\xe9\xb3\xa9");
  for (const std::string& ext : {"../x"s, "a/b"s, "a\nb"s, "a\0b"s, "\x7f"s, "\xff"s, std::string(201, 'x')})
    CHECK_FALSE(rule_file_name(ext));
  CHECK(rule_extension(".qmail") == "");
  CHECK(rule_extension(".qmail-shop:a") == "shop.a");
  for (const char* name :
       {".qmail-", ".qmail-Shop", ".qmail-dot.lock", ".qmail-dot.new", ".qmailx", "x", "."})
    CHECK_FALSE(rule_extension(name));
}

TEST_CASE("rule files: written as a whole, with the right mode", "[rule_directory]") {
  const ScratchDirectory scratch;
  const RuleDirectory panel(scratch.path(), true), home(scratch.path(), false);
  umask(077);
  {
    const Fd lock = panel.lock();
    panel.write(".qmail-a", {"&a@b\n", false});
    panel.write(".qmail-list", {"&a@b\n", true});
    home.write(".qmail", {"./Maildir/\n", false});
  }
  umask(022);
  CHECK(mode_of(scratch.path() + "/.qmail-a") == 0640);
  CHECK(mode_of(scratch.path() + "/.qmail-list") == 0740);
  CHECK(mode_of(scratch.path() + "/.qmail") == 0600);
  CHECK(mode_of(scratch.path() + "/.qmail-dot.lock") == 0600);  // nobody else may hold it
  CHECK(panel.names() == std::vector<std::string>{".qmail", ".qmail-a", ".qmail-list"});
  CHECK(panel.read(".qmail-a")->text == "&a@b\n");
  CHECK(panel.read(".qmail-list")->forward_only);
  CHECK_FALSE(panel.read(".qmail-none"));
  CHECK(panel.remove(".qmail-a"));
  CHECK_FALSE(panel.remove(".qmail-a"));
  REQUIRE(symlink("/etc/passwd", (scratch.path() + "/.qmail-link").c_str()) == 0);
  CHECK_THROWS_AS(panel.read(".qmail-link"), TempError);
  REQUIRE(mkfifo((scratch.path() + "/.qmail-pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(panel.read(".qmail-pipe"), TempError);
  // What a killed writer left is no trouble, and not followed.
  REQUIRE(symlink("/etc/passwd", (scratch.path() + "/.qmail-dot.new").c_str()) == 0);
  panel.write(".qmail-b", {"&b@b\n", false});
  CHECK(panel.read(".qmail-b")->text == "&b@b\n");
  CHECK_FALSE(RuleDirectory(scratch.path() + "/none", true).exists());
}

TEST_CASE("rule files: the directory of an account", "[rule_directory]") {
  const ScratchDirectory scratch;
  const std::string dotdir = scratch.path() + "/dots";
  for (int i = 0; i < 2; ++i) {
    make_rule_directories(dotdir, getuid(), getgid());
    make_rule_directory(dotdir, "info@x.example", getgid(), getuid());
  }
  CHECK(mode_of(dotdir) == 0711);
  CHECK(mode_of(dotdir + "/info@x.example") == 02750);
  for (const std::string& login : {""s, "."s, ".."s, "a/b"s, "a\0b"s})
    CHECK_THROWS_AS(make_rule_directory(dotdir, login, 0, 0), PermError);
}

TEST_CASE("a Maildir++ folder that a rule names is made, and nothing else is", "[rule_directory]") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.path() + "/Maildir";
  make_missing_folder(maildir + "/.Shop/");
  CHECK(access(maildir.c_str(), F_OK) != 0);
  make_maildir(maildir);
  for (const char* name : {"/.Shop/", "/.Shop/", "/Shop/", "/../", "/..x/", "/./"})
    make_missing_folder(maildir + name);
  for (const char* part : {"/.Shop/tmp", "/.Shop/new", "/.Shop/cur", "/.Shop/maildirfolder"})
    CHECK(access((maildir + part).c_str(), F_OK) == 0);
  for (const char* part : {"/Shop", "/..x"}) CHECK(access((maildir + part).c_str(), F_OK) != 0);
  // Half made by one that was killed.
  REQUIRE(rmdir((maildir + "/.Shop/tmp").c_str()) == 0);
  REQUIRE(rmdir((maildir + "/.Shop/cur").c_str()) == 0);
  make_missing_folder(maildir + "/.Shop/");
  CHECK(access((maildir + "/.Shop/cur").c_str(), F_OK) == 0);
  CHECK(access((maildir + "/.Shop/tmp").c_str(), F_OK) == 0);
}

TEST_CASE("reply record: once in so many seconds, also for several at once", "[reply_record]") {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/replies";
  {
    ReplyRecord record(path);
    CHECK(record.claim("a", 1000, 100));
    CHECK_FALSE(record.claim("a", 1099, 100));
    CHECK(record.claim("b", 1099, 100));
    CHECK(record.claim("a", 1100, 100));
    CHECK_FALSE(record.claim("a", 1050, 100));  // the clock went back
    record.release("a");
    CHECK(record.claim("a", 1101, 100));
  }
  CHECK_FALSE(ReplyRecord(path).claim("a", 1102, 100));
  CHECK(mode_of(path) == 0600);
  // Bounded: some hundred senders later it has its size, and still knows the last one.
  ReplyRecord record(path);
  for (int i = 0; i < 300; ++i) record.claim("sender " + std::to_string(i), 2000 + i, 100000);
  CHECK_FALSE(record.claim("sender 299", 2300, 100000));
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK(status.st_size == static_cast<off_t>(reply_record_size));
  // Damaged: begins anew.
  REQUIRE(truncate(path.c_str(), 100) == 0);
  CHECK(record.claim("sender 299", 2300, 100000));
  CHECK_FALSE(record.claim("sender 299", 2300, 100000));

  FdPair said = make_pipe();
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i)
    children.push_back(fork_child("test", [&]() -> int {
      if (ReplyRecord(path).claim("at once", 5000, 100)) write_all(said.second.get(), "x", "pipe");
      return 0;
    }));
  for (const pid_t child : children) CHECK(wait_for_child(child) == 0);
  said.second.reset();
  CHECK(read_all(said.first.get(), 100, "pipe") == "x");

  REQUIRE(symlink("/etc/passwd", (scratch.path() + "/link").c_str()) == 0);
  CHECK_THROWS_AS(ReplyRecord(scratch.path() + "/link"), TempError);
}

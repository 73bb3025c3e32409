// Maildir and mbox deliveries, and the message they read.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "lib/base/clock.h"
#include "lib/base/process.h"
#include "lib/mail/mbox.h"
#include "lib/store/maildir.h"
#include "lib/store/mbox.h"
#include "lib/store/message_file.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
namespace fs = std::filesystem;

namespace {

// A file with `before` (the queue's part) and then the message, positioned at the message.
Fd message_fd(const ScratchDirectory& scratch, std::string_view message,
              std::string_view before = "the queue") {
  Fd fd = open_file(scratch.path() + "/message", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write_all(fd.get(), before, "message");
  write_all(fd.get(), message, "message");
  lseek(fd.get(), static_cast<off_t>(before.size()), SEEK_SET);
  return fd;
}

std::string contents(const std::string& path) {
  return read_file(path, 64U << 20).value_or("(missing)");
}

std::size_t entries(const std::string& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

// The largest file this process may write, as a stand-in for a full disk: EFBIG instead of ENOSPC.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    before_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit small{bytes, limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    signal(SIGXFSZ, before_);
  }

 private:
  rlimit limit_;
  sighandler_t before_;
};

}  // namespace

TEST_CASE("A message begins where its descriptor stood, and is not moved") {
  const ScratchDirectory scratch;
  const Fd fd = message_fd(scratch, "Subject: x\n\nbody");
  MessageFile message(fd.get());
  CHECK(message.size() == 16);
  CHECK(message.piece(0) == "Subject: x\n\nbody");
  CHECK(message.piece(12) == "body");
  CHECK(message.piece(16).empty());
  CHECK(lseek(fd.get(), 0, SEEK_CUR) == 9);
  const FdPair pipe = make_pipe();
  CHECK_THROWS_AS(MessageFile(pipe.first.get()), SystemError);
}

TEST_CASE("A long message comes in pieces") {
  const ScratchDirectory scratch;
  std::string text;
  for (int i = 0; i < 120000; ++i) text += std::to_string(i) + "\n";
  const Fd fd = message_fd(scratch, text);
  MessageFile message(fd.get());
  for (int round = 0; round < 2; ++round) {
    std::string got;
    while (static_cast<off_t>(got.size()) < message.size())
      got += message.piece(static_cast<off_t>(got.size()));
    CHECK(got == text);
  }
}

TEST_CASE("Delivered-To is looked for in the header only, as a whole line") {
  const ScratchDirectory scratch;
  const std::string line = "Delivered-To: a@b\n";
  struct Row {
    std::string text;
    bool found;
  };
  const Row rows[] = {
      {"Delivered-To: a@b\n\nx\n", true},
      {"Subject: s\nDelivered-To: a@b\nTo: x\n\n", true},
      {"Subject: s\n\nDelivered-To: a@b\n", false},  // the body
      {"\nDelivered-To: a@b\n", false},
      {"Delivered-To: a@b.c\n\n", false},
      {"X-Delivered-To: a@b\n\n", false},
      {"delivered-to: a@b\n\n", false},  // exactly the same: qmail-local(8)
      {"Delivered-To: a@b", false},      // no LF
      {"", false},
      {std::string(70000, 'x') + "\nDelivered-To: a@b\n", true},
      {std::string(65530, 'x') + "\nDelivered-To: a@b\n\n", true},  // over the border of a piece
      {std::string(65535, 'x') + "\n\nDelivered-To: a@b\n", false},
  };
  for (const Row& row : rows) {
    const Fd fd = message_fd(scratch, row.text);
    MessageFile message(fd.get());
    INFO(row.text.substr(0, 60));
    CHECK(message.header_has_line(line) == row.found);
  }
}

TEST_CASE("maildir(5): names") {
  CHECK(maildir_name(1'700'000'000'000'042, 123, "host.example", 99) ==
        "1700000000.M000042P123.host.example,S=99");
  CHECK(maildir_name(5'999'999, 1, "a/b:c", 0) == "5.M999999P1.a\\057b\\072c,S=0");
  CHECK(maildir_name(0, 1, std::string(100, 'h'), 0).size() == std::string("0.M000000P1.,S=0").size() + 64);
}

TEST_CASE("A Maildir delivery: whole, private, named by its size, nothing left in tmp") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.path() + "/Maildir";
  make_maildir(maildir);
  CHECK(entries(maildir) == 3);
  for (const std::size_t size : {0UL, 11UL, 65536UL, 3000000UL}) {
    const std::string text(size, 'm');
    const Fd fd = message_fd(scratch, text);
    MessageFile message(fd.get());
    const std::string name = deliver_to_maildir(maildir + "/", "Return-Path: <>\n", message);
    CHECK(contents(maildir + "/new/" + name) == "Return-Path: <>\n" + text);
    CHECK(name.ends_with(",S=" + std::to_string(16 + size)));
    struct stat status;
    REQUIRE(stat((maildir + "/new/" + name).c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    CHECK(status.st_nlink == 1);
  }
  CHECK(entries(maildir + "/new") == 4);
  CHECK(entries(maildir + "/tmp") == 0);
}

TEST_CASE("A Maildir delivery that fails leaves nothing") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.path() + "/Maildir";
  const Fd fd = message_fd(scratch, std::string(100000, 'm'));
  MessageFile message(fd.get());
  CHECK_THROWS_AS(deliver_to_maildir(maildir, "", message), MaildirMissing);
  REQUIRE(mkdir(maildir.c_str(), 0700) == 0);
  CHECK_THROWS_AS(deliver_to_maildir(maildir, "", message), SystemError);  // no tmp
  CHECK_THROWS_AS(make_maildir(maildir), SystemError);                     // EEXIST
  fs::remove(maildir);
  make_maildir(maildir);
  SECTION("full disk") {
    const SmallDisk small(50000);
    CHECK_THROWS_AS(deliver_to_maildir(maildir, "", message), SystemError);
  }
  SECTION("new/ is missing") {
    fs::remove(maildir + "/new");
    CHECK_THROWS_AS(deliver_to_maildir(maildir, "", message), SystemError);
    REQUIRE(mkdir((maildir + "/new").c_str(), 0700) == 0);
  }
  SECTION("after 24 hours") {
    CHECK_THROWS_AS(deliver_to_maildir(maildir, "", message, std::chrono::milliseconds(0)), TimeoutError);
  }
  SECTION("the message cannot be read to its end") {
    REQUIRE(ftruncate(fd.get(), 20) == 0);
    CHECK_THROWS_AS(deliver_to_maildir(maildir, "", message), TempError);
  }
  CHECK(entries(maildir + "/new") == 0);
  CHECK(entries(maildir + "/tmp") == 0);
}

TEST_CASE("maildir(5): a reader removes what nobody touched in tmp for 36 hours") {
  const ScratchDirectory scratch;
  const std::string maildir = scratch.path() + "/Maildir";
  make_maildir(maildir);
  const std::int64_t now = now_seconds();
  const auto put = [&](const std::string& name, std::int64_t age) {
    const std::string path = maildir + "/tmp/" + name;
    open_file(path, O_WRONLY | O_CREAT, 0600);
    const timespec times[] = {{now - age, 0}, {now - age, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  };
  put("old", 36 * 3600 + 5);
  put("young", 36 * 3600 - 5);
  put(".old", 50 * 3600);
  REQUIRE(mkdir((maildir + "/tmp/directory").c_str(), 0700) == 0);
  clean_maildir(maildir, now);
  CHECK(access((maildir + "/tmp/old").c_str(), F_OK) != 0);
  CHECK(access((maildir + "/tmp/young").c_str(), F_OK) == 0);
  CHECK(access((maildir + "/tmp/.old").c_str(), F_OK) == 0);
  clean_maildir(maildir, now + 100 * 3600);
  CHECK(access((maildir + "/tmp/young").c_str(), F_OK) != 0);
  CHECK(access((maildir + "/tmp/directory").c_str(), F_OK) == 0);
  clean_maildir(scratch.path() + "/none", now);
}

TEST_CASE("mbox(5): the From_ line") {
  CHECK(from_line("a@b.example", 533240568) == "From a@b.example Mon Nov 24 18:22:48 1986\n");
  CHECK(from_line("", 0) == "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
  CHECK(from_line("a b\tc\nd@e", 0) == "From a-b-c-d@e Thu Jan  1 00:00:00 1970\n");
}

TEST_CASE("mbox(5): quoting, at every place where the message may be cut") {
  struct Row {
    std::string message, expected;
  };
  const Row rows[] = {
      {"", "\n"},
      {"a\n", "a\n\n"},
      {"a", "a\n\n"},  // the last line gets its end
      {"From x\n", ">From x\n\n"},
      {">From x\n>>From y\n", ">>From x\n>>>From y\n\n"},
      {"From\n>From\nfrom x\nFrom:x\n", "From\n>From\nfrom x\nFrom:x\n\n"},
      {"Fr\nFrom ", "Fr\n>From \n\n"},
      {">>>", ">>>\n\n"},
      {" From x\n\n\nxFrom y", " From x\n\n\nxFrom y\n\n"},
  };
  for (const Row& row : rows) {
    for (std::size_t cut = 0; cut <= row.message.size(); ++cut) {
      MboxQuoter quoter;
      std::string out;
      quoter.put(row.message.substr(0, cut), out);
      quoter.put(row.message.substr(cut), out);
      quoter.end(out);
      CHECK(out == row.expected);
    }
  }
  CHECK(needs_from_quoting("From x"));
  CHECK(needs_from_quoting(">>From "));
  CHECK_FALSE(needs_from_quoting("From:"));
  CHECK_FALSE(needs_from_quoting(">>>"));
}

TEST_CASE("An mbox delivery appends, and takes back what it could not finish") {
  const ScratchDirectory scratch;
  const std::string mbox = scratch.path() + "/Mailbox";
  const Fd fd = message_fd(scratch, "Subject: x\n\nFrom here\n");
  MessageFile message(fd.get());
  deliver_to_mbox(mbox, "From a Thu\n", message);
  const std::string once = "From a Thu\nSubject: x\n\n>From here\n\n";
  CHECK(contents(mbox) == once);
  deliver_to_mbox(mbox, "From a Thu\n", message);
  CHECK(contents(mbox) == once + once);
  struct stat status;
  REQUIRE(stat(mbox.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);

  const Fd big = message_fd(scratch, std::string(900000, 'b'));
  MessageFile big_message(big.get());
  {
    const SmallDisk small(600000);
    CHECK_THROWS_AS(deliver_to_mbox(mbox, "From b Thu\n", big_message), SystemError);
  }
  CHECK(contents(mbox) == once + once);
  CHECK_THROWS_AS(deliver_to_mbox(scratch.path() + "/no/Mailbox", "", message), MboxMissing);
  CHECK_THROWS_AS(deliver_to_mbox(scratch.path(), "", message), MboxMissing);
}

TEST_CASE("An mbox that is locked: wait, but not for ever; a file renamed over it meanwhile is found") {
  const ScratchDirectory scratch;
  const std::string mbox = scratch.path() + "/Mailbox";
  const Fd fd = message_fd(scratch, "m\n");
  MessageFile message(fd.get());
  Fd other = open_file(mbox, O_RDWR | O_CREAT, 0600);
  REQUIRE(flock(other.get(), LOCK_EX) == 0);
  CHECK_THROWS_AS(deliver_to_mbox(mbox, "", message, std::chrono::seconds(1)), TimeoutError);
  CHECK(contents(mbox).empty());

  const pid_t pid = fork_child("test", [&] {
    other.reset();  // or the child would hold the lock, too
    deliver_to_mbox(mbox, "", message, std::chrono::seconds(20));
    return 0;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  open_file(mbox + ".new", O_RDWR | O_CREAT, 0600);
  fs::rename(mbox + ".new", mbox);
  other.reset();
  CHECK(wait_for_child(pid) == 0);
  CHECK(contents(mbox) == "m\n\n");
}

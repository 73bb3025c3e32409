#include "pop3d/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/store/maildir.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

// A Maildir that is the working directory while it lives.
class Maildir {
 public:
  Maildir() {
    REQUIRE(chdir(scratch_.path().c_str()) == 0);
    for (const char* folder : {"tmp", "new", "cur"}) REQUIRE(mkdir(folder, 0700) == 0);
  }
  ~Maildir() { REQUIRE(chdir("/") == 0); }
  Maildir(const Maildir&) = delete;
  Maildir& operator=(const Maildir&) = delete;

  static void put(const std::string& file, const std::string& text) {
    write_all(open_file(file, O_WRONLY | O_CREAT | O_EXCL, 0600).get(), text, file);
  }
  static std::vector<std::string> list(const std::string& folder) {
    std::vector<std::string> names;
    const Fd directory = open_file(folder, O_RDONLY | O_DIRECTORY);
    read_directory(directory.get(), folder,
                   [&](const DirectoryEntry& entry) { names.emplace_back(entry.name); });
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  ScratchDirectory scratch_;
};

using Names = std::vector<std::string>;

Names ids(const Mailbox& mailbox) {
  Names all;
  for (std::size_t i = 0; i < mailbox.count(); ++i) all.push_back(mailbox.unique_id(i));
  return all;
}

}  // namespace

TEST_CASE("what a Maildir name tells") {
  struct Row {
    const char* name;
    std::int64_t arrival, size;
    const char* source;
  };
  const Row rows[] = {
      {"1700000000.12345.host", 1700000000000000, -1, "maildir(5): seconds, process id, host"},
      {"1700000000.M42P12Q3.host,S=1234", 1700000000000042, 1234, "maildir(5): M is the microsecond"},
      {"1700000000.#1M999999P1.host,S=1,W=2:2,RS", 1700000000999999, 1, "Maildir++: ,S= and flags"},
      {"1700000000.V801I2M7P1.host,W=9,S=8", 1700000000000007, 8, "the order of ,S= and ,W= is free"},
      {"1700000000.P1.hostM5", 1700000000000000, -1, "an M in the host is no microsecond"},
      {"1700000000.M1234567P1.host", 1700000000000000, -1, "seven digits are no microsecond"},
      {"msg.abc", -1, -1, "not a time"},
      {"1700000000", -1, -1, "no dot"},
      {"123456789012.1.host", -1, -1, "more seconds than there will be"},
      {"1.2.host:2,S=5", 1000000, -1, "flags are not the name"},
      {"1.2.host,S=", 1000000, -1, "no digits"},
      {"1.2.host,S=5x", 1000000, -1, "not digits only"},
      {"1.2.host,S=9999999999999999", 1000000, -1, "larger than a file"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name, row.source);
    CHECK(arrival_of_name(row.name) == row.arrival);
    CHECK(size_of_name(row.name) == row.size);
  }
}

TEST_CASE("unique ids") {
  // RFC 1939 section 7, UIDL: 1 to 70 characters from 0x21 to 0x7E
  CHECK(unique_id_of_name("17.M1P2.host,S=3:2,RS") == "17.M1P2.host,S=3");
  CHECK(unique_id_of_name(std::string(70, 'x')) == std::string(70, 'x'));
  const std::string hashed = unique_id_of_name(std::string(71, 'x'));
  CHECK(hashed.size() == 64);
  CHECK(hashed == unique_id_of_name(std::string(71, 'x') + ":2,S"));
  // sha256sum of "a b"
  CHECK(unique_id_of_name("a b") == "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65");
  CHECK(unique_id_of_name(":2,S").size() == 64);
}

TEST_CASE("messages are numbered by arrival, whichever folder they are in") {
  Maildir maildir;
  maildir.put("cur/1700000002.1.h:2,S", "ccc");
  maildir.put("new/1700000003.1.h", "dddd");
  maildir.put("new/1700000001.M5P1.h,S=77", "b");
  maildir.put("cur/1700000001.M4P1.h:2,", "aa");
  maildir.put("new/.hidden", "no");
  REQUIRE(mkdir("cur/folder", 0700) == 0);
  Mailbox mailbox;
  rmdir("cur/folder");
  CHECK(ids(mailbox) ==
        Names{"1700000001.M4P1.h", "1700000001.M5P1.h,S=77", "1700000002.1.h", "1700000003.1.h"});
  CHECK(mailbox.size(0) == 2);
  CHECK(mailbox.size(1) == 77);  // the name's word is taken
  CHECK(mailbox.size(3) == 4);
}

TEST_CASE("a name without a time is put where its file's time is") {
  Maildir maildir;
  maildir.put("new/1700000001.1.h", "a");
  maildir.put("new/strange", "bb");
  maildir.put("new/1700000003.1.h", "c");
  const timespec times[] = {{1700000002, 0}, {1700000002, 0}};
  REQUIRE(utimensat(AT_FDCWD, "new/strange", times, 0) == 0);
  Mailbox mailbox;
  CHECK(ids(mailbox) == Names{"1700000001.1.h", "strange", "1700000003.1.h"});
  CHECK(mailbox.size(1) == 2);
}

TEST_CASE("a message that is moved while the folders are read is there once") {
  Maildir maildir;
  maildir.put("new/1700000001.1.h", "a");
  maildir.put("cur/1700000001.1.h:2,S", "a");
  CHECK(Mailbox().count() == 1);
}

TEST_CASE("the end of a session removes and moves") {
  Maildir maildir;
  maildir.put("new/1.1.h", "a");
  maildir.put("new/2.1.h", "b");
  maildir.put("new/3.1.h", "c");
  maildir.put("new/4.1.h:2,F", "d");
  maildir.put("cur/5.1.h:2,S", "e");
  Mailbox mailbox;
  mailbox.mark_deleted(0);
  mailbox.mark_seen(1);
  mailbox.mark_deleted(4);
  CHECK(mailbox.commit());
  CHECK(maildir.list("new").empty());
  CHECK(maildir.list("cur") == Names{"2.1.h:2,S", "3.1.h:2,", "4.1.h:2,F"});
}

TEST_CASE("maildirsize is told of what was removed") {
  Maildir maildir;
  const auto size_file = [] { return read_file("maildirsize", 1000); };
  maildir.put("maildirsize", "1000S\n500 5\n");
  maildir.put("new/1.1.h,S=100", "a");
  maildir.put("cur/2.1.h:2,S", "four");
  maildir.put("cur/3.1.h,S=30:2,", "c");
  maildir.put("cur/4.1.h,S=7:2,T", "d");
  Mailbox mailbox;
  SECTION("in one line") {
    mailbox.mark_deleted(0);
    mailbox.mark_deleted(1);
    CHECK(mailbox.commit());
    CHECK(size_file() == "1000S\n500 5\n-104 -2\n");
  }
  SECTION("nothing") {
    CHECK(mailbox.commit());
    CHECK(size_file() == "1000S\n500 5\n");
  }
  SECTION("not what another program removed") {
    mailbox.mark_deleted(0);
    mailbox.mark_deleted(2);
    REQUIRE(unlink("cur/3.1.h,S=30:2,") == 0);
    CHECK(mailbox.commit());
    CHECK(size_file() == "1000S\n500 5\n-100 -1\n");
  }
  SECTION("what another program has marked as trash may not have been counted") {
    mailbox.mark_deleted(3);
    CHECK(mailbox.commit());
    CHECK_FALSE(size_file());
  }
  SECTION("nor is the size known of what moved and does not tell it") {
    mailbox.mark_deleted(1);
    REQUIRE(rename("cur/2.1.h:2,S", "cur/2.1.h:2,RS") == 0);
    CHECK(mailbox.commit());
    CHECK_FALSE(size_file());
  }
  SECTION("no file, no file") {
    REQUIRE(unlink("maildirsize") == 0);
    mailbox.mark_deleted(0);
    CHECK(mailbox.commit());
    CHECK_FALSE(size_file());
  }
  unlink("maildirsize");
}

TEST_CASE("a file in cur is never overwritten") {
  Maildir maildir;
  maildir.put("new/1.1.h", "new");
  Mailbox mailbox;
  maildir.put("cur/1.1.h:2,", "old");
  CHECK(mailbox.commit());
  CHECK(read_file("cur/1.1.h:2,", 10) == "old");
  CHECK(read_file("new/1.1.h", 10) == "new");
}

TEST_CASE("other programs at the same Maildir") {
  Maildir maildir;
  maildir.put("new/1.1.h", "one");
  maildir.put("cur/2.1.h:2,", "two");
  maildir.put("cur/3.1.h:2,", "three");
  Mailbox mailbox;
  REQUIRE(rename("new/1.1.h", "cur/1.1.h:2,S") == 0);
  REQUIRE(rename("cur/2.1.h:2,", "cur/2.1.h:2,RS") == 0);
  REQUIRE(unlink("cur/3.1.h:2,") == 0);

  SECTION("a message with other flags is found again") {
    const Fd file = mailbox.open(0);
    REQUIRE(file);
    CHECK(read_all(file.get(), 10, "file") == "one");
  }
  SECTION("a message that is gone is none") {
    CHECK_FALSE(mailbox.open(2));
    CHECK(errno == ENOENT);
    CHECK_FALSE(mailbox.open(2));
    CHECK(mailbox.size(2) == 0);
  }
  SECTION("deleting finds it again, and what is gone is deleted") {
    mailbox.mark_deleted(0);
    mailbox.mark_deleted(1);
    mailbox.mark_deleted(2);
    CHECK(mailbox.commit());
    CHECK(maildir.list("cur").empty());
  }
  SECTION("what cannot be removed is reported") {
    mailbox.mark_deleted(0);
    REQUIRE(unlink("cur/1.1.h:2,S") == 0);
    REQUIRE(mkdir("new/1.1.h", 0700) == 0);  // unlink fails with EISDIR, for root too
    CHECK_FALSE(mailbox.commit());
    rmdir("new/1.1.h");
  }
}

TEST_CASE("no Maildir at all") {
  const ScratchDirectory empty;
  REQUIRE(chdir(empty.path().c_str()) == 0);
  CHECK_THROWS_AS(Mailbox(), SystemError);
  REQUIRE(chdir("/") == 0);
}

#include "lib/store/cdb.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

std::string write_sample(const ScratchDirectory& directory) {
  const std::string path = directory.file("x");
  CdbWriter writer(path);
  writer.add("one", "1");
  writer.add("two", "2a");
  writer.add("two", "2b");
  writer.add("", "empty key");
  writer.add("void", "");
  for (int i = 0; i < 3000; ++i) writer.add("k" + std::to_string(i), std::string(5, 'v') + std::to_string(i));
  writer.commit();
  return path;
}

}  // namespace

TEST_CASE("cdb: what was written is found", "[cdb]") {
  ScratchDirectory directory;
  const std::string path = write_sample(directory);
  std::optional<Cdb> db = Cdb::open(path);
  REQUIRE(db);
  CHECK(db->find("one") == "1");
  CHECK(db->find("two") == "2a");
  CHECK(db->find_next("two") == "2b");
  CHECK(db->find_next("two") == std::nullopt);
  CHECK(db->find("two") == "2a");
  CHECK(db->find("") == "empty key");
  CHECK(db->find("void") == "");
  CHECK(db->find("On") == std::nullopt);
  for (int i = 0; i < 3000; ++i) REQUIRE(db->find("k" + std::to_string(i)) == "vvvvv" + std::to_string(i));
  struct stat st;
  REQUIRE(stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0644);
  CHECK(access((path + ".tmp").c_str(), F_OK) != 0);
}

TEST_CASE("cdb: every record in the order of writing", "[cdb]") {
  ScratchDirectory directory;
  std::optional<Cdb> db = Cdb::open(write_sample(directory));
  REQUIRE(db);
  std::vector<std::string> seen;
  db->for_each([&](std::string_view key, std::string_view data) {
    seen.push_back(std::string(key) + "=" + std::string(data));
  });
  REQUIRE(seen.size() == 3005);
  CHECK(seen[0] == "one=1");
  CHECK(seen[2] == "two=2b");
  CHECK(seen[3] == "=empty key");
  CHECK(seen[4] == "void=");
  CHECK(seen.back() == "k2999=vvvvv2999");
  CdbWriter(directory.file("x")).commit();
  std::size_t none = 0;
  Cdb::open(directory.file("x"))->for_each([&](std::string_view, std::string_view) { ++none; });
  CHECK(none == 0);
}

TEST_CASE("cdb: no file is no database, an empty database is one", "[cdb]") {
  ScratchDirectory directory;
  CHECK_FALSE(Cdb::open(directory.file("x")));
  CdbWriter(directory.file("x")).commit();
  std::optional<Cdb> db = Cdb::open(directory.file("x"));
  REQUIRE(db);
  CHECK_FALSE(db->find("a"));
}

TEST_CASE("cdb: without commit the old file stays", "[cdb]") {
  ScratchDirectory directory;
  const std::string path = write_sample(directory);
  {
    CdbWriter writer(path);
    writer.add("one", "other");
    CHECK_THROWS_AS(CdbWriter(path), SystemError);  // one writer at a time
    CHECK(access((path + ".tmp").c_str(), F_OK) == 0);
  }
  CHECK(access((path + ".tmp").c_str(), F_OK) != 0);
  CHECK(Cdb::open(path)->find("one") == "1");
}

TEST_CASE("cdb: a write error is reported, not forgotten", "[cdb]") {
  ScratchDirectory directory;
  const std::string path = write_sample(directory);
  const auto write_much = [&] {
    CdbWriter writer(path);
    for (int i = 0; i < 3000; ++i) writer.add("k" + std::to_string(i), "x");
    writer.commit();
  };
  rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit low = old;
  low.rlim_cur = 20000;
  auto* handler = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &low);
  bool thrown = false;
  try {
    write_much();
  } catch (const SystemError& e) {
    thrown = e.error() == EFBIG;
  }
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  CHECK(thrown);
  CHECK(Cdb::open(path)->find("one") == "1");
}

TEST_CASE("cdb: damage is a temporary error, never a crash or an endless search", "[cdb]") {
  ScratchDirectory directory;
  const std::string path = write_sample(directory);
  const std::string whole = *read_file(path, 1 << 20);
  const auto put = [&](const std::string& text) {
    unlink(path.c_str());
    Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(fd.get(), text, path);
  };
  SECTION("cut off") {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{2047}, whole.size() / 2, whole.size() - 1}) {
      put(whole.substr(0, size));
      CAPTURE(size);
      CHECK_THROWS_AS(Cdb::open(path), TempError);
    }
  }
  SECTION("every table of the header points nowhere") {
    std::string bad = whole;
    for (std::size_t i = 4; i < 2048; i += 8) bad[i + 3] = '\x7f';
    put(bad);
    CHECK_THROWS_AS(Cdb::open(path), TempError);
  }
  SECTION("the length of a record reaches beyond the end") {
    std::string bad = whole;  // first record: key length 3, data length 1, "one", "1"
    REQUIRE(bad.substr(2048 + 8, 4) == "one1");
    for (const char* length : {"\xff\xff\xff\xff", "\xff\xff\xff\x7f", "\x00\x00\x00\x10"}) {
      bad.replace(2048 + 4, 4, std::string(length, 4));
      put(bad);
      std::optional<Cdb> db = Cdb::open(path);
      CHECK_THROWS_AS(db->find("one"), TempError);
      CHECK(db->find("two") == "2a");
    }
  }
  SECTION("any byte changed: an answer or TempError") {
    for (std::size_t i = 0; i < whole.size(); i += 61) {
      std::string bad = whole;
      bad[i] = static_cast<char>(~bad[i]);
      put(bad);
      try {
        std::optional<Cdb> db = Cdb::open(path);
        for (const char* key : {"one", "two", "k7", "absent"}) db->find(key);
      } catch (const TempError&) {
      }
    }
    SUCCEED();
  }
  SECTION("a directory is no cdb") {
    CHECK_THROWS_AS(Cdb::open(directory.path()), TempError);
  }
}

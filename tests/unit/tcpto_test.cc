#include "lib/store/tcpto.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

struct Home {
  ScratchDirectory scratch;
  std::string path = scratch.path();
  Home() {
    scratch.directory("queue/lock");
    fill("");
  }
  void fill(const std::string& bytes) const {
    const Fd fd = open_file(Tcpto::path(path), 01 | 0100 | 01000, 0644);
    write_all(fd.get(), bytes, "tcpto");
  }
};

IpAddress ip(const std::string& text) {
  return *IpAddress::parse(text);
}

}  // namespace

TEST_CASE("tcpto: how long a host is left alone", "[tcpto]") {
  CHECK(tcpto_dead_seconds(0, 0) == 0);
  CHECK(tcpto_dead_seconds(1, 0) == 0);
  CHECK(tcpto_dead_seconds(2, 0) == 900);
  CHECK(tcpto_dead_seconds(3, 0) == 1800);
  CHECK(tcpto_dead_seconds(4, 0) == 3600);
  CHECK(tcpto_dead_seconds(5, 0) == 3600);
  CHECK(tcpto_dead_seconds(255, 0) == 3600);
  CHECK(tcpto_dead_seconds(4, 31) == 3600 - 871);
  CHECK(tcpto_dead_seconds(4, 32) == 3600);
}

TEST_CASE("tcpto: two failures two minutes apart make a host dead for a while", "[tcpto]") {
  const Home home;
  Tcpto table(home.path);
  const std::int64_t start = 1000000;
  for (const std::string host : {"192.0.2.1", "2001:db8::1"}) {
    CAPTURE(host);
    CHECK_FALSE(table.dead(ip(host), 25, start, 0));
    table.failed(ip(host), 25, start);
    CHECK_FALSE(table.dead(ip(host), 25, start, 0));
    table.failed(ip(host), 25, start + tcpto_same_event - 1);  // the same event
    CHECK_FALSE(table.dead(ip(host), 25, start + 200, 0));
    table.failed(ip(host), 25, start + tcpto_same_event);
    const std::int64_t when = start + tcpto_same_event;
    CHECK(table.dead(ip(host), 25, when, 0));
    CHECK(table.dead(ip(host), 25, when + 899, 0));
    CHECK_FALSE(table.dead(ip(host), 25, when + 900, 0));
    CHECK_FALSE(table.dead(ip(host), 25, when + 899, 1));  // another process asks sooner
    CHECK_FALSE(table.dead(ip(host), 25, when - 10, 0));   // the clock went back: ask the host
    CHECK_FALSE(table.dead(ip(host), 587, when, 0));       // another port is another service
  }
  CHECK(table.entries().size() == 2);
  CHECK(table.dead(ip("192.0.2.1"), 25, start + tcpto_same_event, 0));
  table.answered(ip("192.0.2.1"), 25);
  CHECK_FALSE(table.dead(ip("192.0.2.1"), 25, start + tcpto_same_event, 0));
  const auto left = table.entries();
  REQUIRE(left.size() == 1);
  CHECK(left[0].address.text() == "2001:db8::1");
  CHECK(left[0].port == 25);
  CHECK(left[0].failures == 2);
  CHECK(left[0].when == start + tcpto_same_event);
  table.clear();
  CHECK(table.entries().empty());
}

TEST_CASE("tcpto: another process sees it", "[tcpto]") {
  const Home home;
  Tcpto one(home.path), two(home.path);
  one.failed(ip("192.0.2.1"), 25, 1000);
  two.failed(ip("192.0.2.1"), 25, 2000);
  CHECK(one.dead(ip("192.0.2.1"), 25, 2000, 0));
}

TEST_CASE("tcpto: a full table forgets what matters least", "[tcpto]") {
  const Home home;
  Tcpto table(home.path);
  for (unsigned i = 0; i < tcpto_records; ++i)
    table.failed(ip("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250)), 25, 5000 + i);
  table.failed(ip("192.0.2.9"), 25, 9000);
  const auto entries = table.entries();
  CHECK(entries.size() == tcpto_records);
  CHECK(entries[0].address.text() == "192.0.2.9");  // 10.0.0.0 was the oldest
}

TEST_CASE("tcpto: rubbish, qmail's own table, no table", "[tcpto]") {
  const Home home;
  home.fill(std::string(1024, '\0') + "hto1");
  {
    Tcpto table(home.path);
    CHECK(table.entries().empty());
    table.failed(ip("192.0.2.1"), 25, 1000);
    CHECK(table.entries().size() == 1);
  }
  home.fill(std::string(77, 'x'));
  {
    Tcpto table(home.path);
    CHECK(table.entries().empty());
    CHECK_FALSE(table.dead(ip("192.0.2.1"), 25, 1000, 0));
  }
  unlink(Tcpto::path(home.path).c_str());
  Tcpto none(home.path);
  CHECK_FALSE(none.usable());
  CHECK_FALSE(none.dead(ip("192.0.2.1"), 25, 1000, 0));
  none.failed(ip("192.0.2.1"), 25, 1000);
  none.answered(ip("192.0.2.1"), 25);
  CHECK(none.entries().empty());
  CHECK_THROWS_AS(none.clear(), SystemError);
}

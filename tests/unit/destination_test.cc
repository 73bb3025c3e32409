// How much a destination may be asked (destination.h), limits of hosts, and turns.
#include "lib/base/error.h"
#include "qmail-send/host_limits.h"
#include "qmail-send/turns.h"
#include "tests/catch.h"

using namespace hato;

namespace {

constexpr std::int64_t second = 1000000, start = 1000 * second;
constexpr DestinationLimits remote{0, 0, true}, local{0, 0, false};

// As many as may start with so many places.
std::size_t fill(Destination& destination, std::size_t places, std::int64_t now = start) {
  std::size_t n = 0;
  while (n < places && destination.may_start(now, {places - n})) destination.started(now), ++n;
  return n;
}

}  // namespace

TEST_CASE("greedy destinations share, and leave room", "[destination]") {
  for (const auto& [greedy, places, each] :
       {std::tuple{1, 20, 10}, {1, 1, 1}, {1, 2, 1}, {1, 3, 2}, {2, 9, 3}, {3, 20, 5}}) {
    CAPTURE(greedy, places);
    std::vector<Destination> all(static_cast<std::size_t>(greedy), Destination(local));
    std::size_t used = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (Destination& one : all)
        if (one.may_start(start, {static_cast<std::size_t>(places) - used}))
          one.started(start), ++used, moved = true;
    }
    for (const Destination& one : all) CHECK(one.under_way() == static_cast<std::size_t>(each));
  }
}

TEST_CASE("places of hosts that have not answered count as left", "[destination]") {
  Destination dead(remote), live(remote), back(remote);
  CHECK(dead.unproven());
  CHECK_FALSE(Destination(local).unproven());
  for (int i = 0; i < 100; ++i) live.started(start), live.ended(HostSays::answered, start);
  CHECK_FALSE(live.unproven());
  dead.started(start);
  dead.started(start);
  while (live.may_start(start, {18 - live.under_way(), 2})) live.started(start);
  CHECK(live.under_way() == 10);  // as if it were alone with 20 places
  CHECK_FALSE(live.may_start(start, {0, 20}));
  back.started(start);
  back.ended(HostSays::answered, start);
  back.started(start);
  back.ended(HostSays::trouble, start);
  CHECK(back.unproven());
}

TEST_CASE("a host that nothing is known of is asked carefully", "[destination]") {
  Destination host(remote);
  CHECK(fill(host, 100) == 2);
  host.ended(HostSays::answered, start);
  CHECK(fill(host, 99) == 2);  // 3 at a time
  CHECK(host.under_way() == 3);
  host.ended(HostSays::nothing, start);
  CHECK(fill(host, 98) == 1);
  for (int i = 0; i < 50; ++i) host.ended(HostSays::answered, start), fill(host, 10000);
  CHECK(host.under_way() == 53);
  Destination limited({2, 0, true});
  for (int i = 0; i < 50; ++i) fill(limited, 100), limited.ended(HostSays::answered, start);
  CHECK(fill(limited, 100) == 1);
}

TEST_CASE("trouble backs off: a minute, doubled each time, an hour at most", "[destination]") {
  Destination host(remote);
  std::int64_t now = start;
  for (const std::int64_t seconds : {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600}) {
    host.started(now);
    CHECK(host.ended(HostSays::trouble, now));
    CHECK(host.back_off_seconds() == seconds);
    CHECK(host.backs_off(now + seconds * second - 1));
    now += seconds * second;
    CHECK_FALSE(host.backs_off(now));
    CHECK(fill(host, 100, now) == 1);  // one asks whether it is back
    host.ended(HostSays::nothing, now);
  }
  host.started(now);
  CHECK_FALSE(host.ended(HostSays::answered, now));
  CHECK(host.back_off_seconds() == 0);
  host.started(now);
  CHECK(host.ended(HostSays::trouble, now));
  CHECK(host.back_off_seconds() == 60);
}

TEST_CASE("what was under way when trouble began is the same trouble", "[destination]") {
  Destination host(remote);
  host.started(start);
  host.started(start);
  CHECK(host.ended(HostSays::trouble, start + 60 * second));
  CHECK_FALSE(host.ended(HostSays::trouble, start + 61 * second));
  CHECK(host.back_off_seconds() == 60);
  host.forgive();
  CHECK_FALSE(host.backs_off(start + 61 * second));
  CHECK(fill(host, 100) == 2);
}

TEST_CASE("after trouble a host's share grows by rounds", "[destination]") {
  Destination host(remote);
  host.started(start);
  host.ended(HostSays::trouble, start);
  const std::int64_t later = start + 100 * second;
  std::vector<std::size_t> windows;
  for (int i = 0; i < 7; ++i) {
    fill(host, 100, later);
    windows.push_back(host.under_way());
    host.ended(HostSays::answered, later);
  }
  CHECK(windows == std::vector<std::size_t>{1, 2, 2, 3, 3, 3, 4});
}

TEST_CASE("so many a minute, evenly", "[destination]") {
  Destination host({0, 6, false});
  std::int64_t now = start;
  CHECK(fill(host, 100, now) == 1);
  CHECK(host.not_before() == now + 10 * second);
  CHECK(fill(host, 100, now + 10 * second - 1) == 0);
  CHECK(fill(host, 100, now + 10 * second) == 1);
  now += 1000 * second;
  CHECK(fill(host, 100, now) == 1);  // what was not used is not saved up
  CHECK_FALSE(host.forgettable(now));
}

TEST_CASE("what may be forgotten", "[destination]") {
  Destination host(remote);
  host.started(start);
  CHECK_FALSE(host.forgettable(start + 100000 * second));
  host.ended(HostSays::answered, start);
  CHECK_FALSE(host.forgettable(start + 59 * second));
  CHECK(host.forgettable(start + 60 * second));
  host.started(start);
  host.ended(HostSays::trouble, start);
  CHECK_FALSE(host.forgettable(start + 3000 * second));
  CHECK(host.forgettable(start + 3660 * second));
}

TEST_CASE("limits of hosts", "[destination]") {
  const HostLimits limits(
      "f",
      {"5", "host.example:2", ".below.example:3", "[2001:db8::1]:4", "none.example:0", "big.example:999999"},
      1000);
  CHECK(limits.of("other.example") == 5);
  CHECK(limits.of("HOST.example") == 2);
  CHECK(limits.of("a.below.example") == 3);
  CHECK(limits.of("below.example") == 5);
  CHECK(limits.of("[2001:db8::1]") == 4);
  CHECK(limits.of("none.example") == 0);
  CHECK(limits.of("big.example") == 1000);
  CHECK(HostLimits().of("x") == 0);
  CHECK(HostLimits("f", {"a.example:1"}, 9).of("b.example") == 0);
  for (const char* bad :
       {"host.example", "host.example:", "host.example:x", "5x", "-1", "[2001:db8::1]", "a:1 2"})
    CHECK_THROWS_AS(HostLimits("f", {bad}, 9), TempError);
}

TEST_CASE("destinations take turns, and so do the messages of each", "[destination]") {
  Turns turns([](const std::string&) { return DestinationLimits{100, 0, false}; });
  Turns::Line &a = turns.line("a"), &b = turns.line("b");
  CHECK(&turns.line("a") == &a);
  for (std::uint64_t id : {1, 2, 3}) turns.add_open(a, QueueId(id));
  turns.add_open(b, QueueId(9));
  CHECK(turns.ready(start, {10}, 100) == 4);
  CHECK(turns.ready(start, {10}, 2) >= 2);
  std::string order;
  while (Turns::Line* line = turns.next(start, {10})) {
    order += line->name + line->open.front().text() + " ";
    line->open.pop_front();
  }
  CHECK(order == "a1 b9 a2 a3 ");
  CHECK(turns.ready(start, {10}, 1) == 0);
  turns.sweep(start + 3600 * second);
  CHECK(turns.size() == 0);
}

TEST_CASE("a line that may not start is passed over, and keeps what waits", "[destination]") {
  Turns turns([](const std::string& name) {
    return DestinationLimits{name == "slow" ? 1U : 100U, 0, false};
  });
  Turns::Line &slow = turns.line("slow"), &quick = turns.line("quick");
  for (std::uint64_t id = 1; id <= 150; ++id) {
    if (slow.full())
      turns.add_closed(slow, {id, static_cast<std::uint32_t>(id), 0});
    else
      turns.add_open(slow, QueueId(id));
  }
  CHECK(slow.open.size() == open_messages_of_a_destination);
  CHECK(turns.earliest_due() == 101);
  REQUIRE(turns.next(start, {10}) == &slow);
  slow.destination.started(start);
  CHECK(turns.next(start, {10}) == nullptr);
  CHECK(turns.ready(start, {10}, 1) == 0);
  turns.add_open(quick, QueueId(1000));
  CHECK(turns.next(start, {10}) == &quick);
  turns.sweep(start + 3600 * second);
  CHECK(turns.size() == 2);
  const Turns::Emptied all = turns.take_all(slow);
  CHECK(all.open.size() + all.closed.size() == 150);
}

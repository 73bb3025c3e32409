#include "qmail-send/schedule.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("slots lie (10 k)^2 and (20 k)^2 seconds after birth", "[schedule]") {
  // design.md section 4: local (10 k)^2, remote (20 k)^2; the next attempt is the first slot after the last.
  struct Row {
    Channel channel;
    std::int64_t age, next;
  };
  constexpr std::int64_t birth = 1'700'000'000;
  for (const Row& row : {
           Row{Channel::local, 0, 100}, Row{Channel::local, 99, 100},
           Row{Channel::local, 100, 400},  // after the slot, never at it
           Row{Channel::local, 399, 400}, Row{Channel::local, 400, 900},
           Row{Channel::local, 604'800, 608'400},  // a week: k = 78
           Row{Channel::remote, 0, 400}, Row{Channel::remote, 400, 1600}, Row{Channel::remote, 1599, 1600},
           Row{Channel::remote, 604'800, 608'400},        // k = 39
           Row{Channel::local, -550, -500},               // the clock was ahead: each 100 s
           Row{Channel::local, -10'000'000, -9'999'900},  // and 400 s
           Row{Channel::remote, -10'000'000, -9'999'600},
           Row{Channel::remote, 10'000'000'000, 10'004'000'400},  // k = 5001: (20 * 5001)^2
       }) {
    CAPTURE(row.age, channel_name(row.channel));
    const std::int64_t next = first_slot_after(birth, row.channel, birth + row.age) - birth;
    CHECK(next == row.next);
  }
}

TEST_CASE("every remote slot is a local one", "[schedule]") {
  constexpr std::int64_t birth = 1'700'000'000;
  std::int64_t time = birth;
  for (int i = 0; i < 200; ++i) {
    time = first_slot_after(birth, Channel::remote, time);
    CHECK(slot_within(birth, Channel::local, time, time));
  }
}

TEST_CASE("a slot within a stretch of time", "[schedule]") {
  constexpr std::int64_t birth = 1000;
  CHECK(slot_within(birth, Channel::local, 1100, 1100));
  CHECK_FALSE(slot_within(birth, Channel::local, 1101, 1399));
  CHECK(slot_within(birth, Channel::local, 1101, 1400));
  CHECK_FALSE(slot_within(birth, Channel::remote, 1100, 1399));
  CHECK(slot_within(birth, Channel::remote, 1100, 1400));
  constexpr std::int64_t future = 1'000'000;  // a slot that was waited for is one when it has come
  CHECK(slot_within(future, Channel::remote, first_slot_after(future, Channel::remote, 1399), 1600));
}

TEST_CASE("the schedule gives what is due, earliest first", "[schedule]") {
  Schedule schedule;
  schedule.push(QueueId(3), 30, 0);
  schedule.push(QueueId(1), 10, 7);
  schedule.push(QueueId(2), 10, 0);
  CHECK(schedule.earliest() == 10);
  CHECK_FALSE(schedule.pop_due(9));
  const auto first = schedule.pop_due(10);
  REQUIRE(first);
  CHECK(first->id == 1);
  CHECK(first->flags == 7);
  CHECK(schedule.pop_due(10)->id == 2);
  CHECK_FALSE(schedule.pop_due(29));
  CHECK(schedule.size() == 1);
}

TEST_CASE("SIGALRM makes everything due and keeps who was overdue longest in front", "[schedule]") {
  Schedule schedule;
  for (std::uint64_t i = 0; i < 1000; ++i) schedule.append(QueueId(i + 1), 5000 - static_cast<int>(i), 2);
  schedule.arrange();
  CHECK_FALSE(schedule.pop_due(4000));
  schedule.push(QueueId(2000), 100, 2);
  schedule.make_all_due(200, 1);
  CHECK(schedule.pop_due(200)->id == 2000);
  std::size_t n = 0;
  while (const auto entry = schedule.pop_due(200)) {
    CHECK(entry->flags == 3);
    ++n;
  }
  CHECK(n == 1000);
}

TEST_CASE("a message is born when it was committed", "[schedule]") {
  CHECK(birth_of(QueueId(1'795'430'495'014'374)) == 1'795'430'495);
}

// qmail-sendsocket(5): requests and answers as text, and what the schedule gives up for them.

#include "lib/net/send_request.h"
#include "qmail-send/held_messages.h"
#include "qmail-send/schedule.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("requests are read as they are written", "[send_request]") {
  for (const char* line :
       {"hold 17", "release 17", "retry 1795430495014374", "remove 17", "remove 17 0",
        "remove 17 0,3,4294967295", "bounce 17 * closed", "bounce 17 2,1 The account was closed \xc3\xa9.",
        "flush example.org", "flush .example.org", "flush xn--wgv71a.example 192.0.2.1",
        "flush a.example 2001:db8::1", "status"}) {
    CAPTURE(line);
    const auto request = decode_request_line(line);
    REQUIRE(request);
    CHECK(encode_request(*request) == std::string(line) + "\n");
  }
  const auto bounce = decode_request_line("bounce 17 2,1 a b");
  CHECK(bounce->id == QueueId(17));
  CHECK(bounce->recipients == std::vector<std::uint32_t>{2, 1});
  CHECK(bounce->text == "a b");
  CHECK(decode_request_line("flush .a.example 192.0.2.1")->address == "192.0.2.1");
}

TEST_CASE("what is no request is none", "[send_request]") {
  std::string many = "remove 17 0";
  for (std::size_t i = 1; i <= request_recipients_limit; ++i) many += ",1";
  for (const std::string& line : {std::string(),
                                  std::string("hold"),
                                  std::string("hold "),
                                  std::string("hold 017"),
                                  std::string("hold -1"),
                                  std::string("hold 17 "),
                                  std::string("hold 17 x"),
                                  std::string("Hold 17"),
                                  std::string("remove 17 "),
                                  std::string("remove 17 1,"),
                                  std::string("remove 17 ,1"),
                                  std::string("remove 17 01"),
                                  std::string("remove 17 4294967296"),
                                  std::string("remove 17 1 2"),
                                  std::string("remove ../x"),
                                  many,
                                  std::string("bounce 17"),
                                  std::string("bounce 17 *"),
                                  std::string("bounce 17 * "),
                                  std::string("bounce 17 * a\tb"),
                                  "bounce 17 * " + std::string(request_text_limit + 1, 'x'),
                                  std::string("flush"),
                                  std::string("flush "),
                                  std::string("flush Example.org"),
                                  std::string("flush ."),
                                  std::string("flush a..b"),
                                  std::string("flush a b"),
                                  std::string("flush a 192.0.2"),
                                  std::string("flush a 192.0.2.1 x"),
                                  std::string("status x"),
                                  std::string("halt")}) {
    CAPTURE(line);
    CHECK_FALSE(decode_request_line(line));
  }
}

TEST_CASE("answers are read as they are written", "[send_request]") {
  const SendAnswer answers[] = {{RequestOutcome::done, 0, ""},
                                {RequestOutcome::done, 3, "local=1 remote=2"},
                                {RequestOutcome::begun, 12, ""},
                                {RequestOutcome::none, 0, ""},
                                {RequestOutcome::refused, 0, "you may not"},
                                {RequestOutcome::failed, 0, "Read-only file system"}};
  for (const SendAnswer& answer : answers) {
    const std::string line = encode_answer(answer);
    CHECK(line.back() == '\n');
    CHECK(decode_answer_line(std::string_view(line).substr(0, line.size() - 1)) == answer);
  }
  CHECK(encode_answer({RequestOutcome::failed, 0, "two\nlines"}) == "failed two?lines\n");
  for (const char* line : {"", "done", "done x", "done 01", "ok", "begun"})
    CHECK_FALSE(decode_answer_line(line));
}

TEST_CASE("a packet is whole lines", "[send_request]") {
  CHECK_FALSE(packet_lines(""));
  CHECK_FALSE(packet_lines("status"));
  CHECK_FALSE(packet_lines("status\nstatus"));
  CHECK(packet_lines("a\n\nb\n") == std::vector<std::string_view>{"a", "", "b"});
  std::string most;
  for (std::size_t i = 0; i < request_batch_limit; ++i) most += "x\n";
  CHECK(packet_lines(most)->size() == request_batch_limit);
  CHECK_FALSE(packet_lines(most + "x\n"));
}

TEST_CASE("the domain of a flush", "[send_request]") {
  CHECK(flush_domain("Example.ORG") == "example.org");
  CHECK(flush_domain(".Example.ORG.") == ".example.org");
  CHECK(flush_domain("日本.example") == "xn--wgv71a.example");
  for (const char* none : {"", ".", "a..b", "a b", "a\tb"}) CHECK_FALSE(flush_domain(none));
  CHECK(address_in_domain("u@EXAMPLE.org", "example.org"));
  CHECK(address_in_domain("a@b@example.org", "example.org"));
  CHECK_FALSE(address_in_domain("u@sub.example.org", "example.org"));
  CHECK(address_in_domain("u@sub.example.org", ".example.org"));
  CHECK(address_in_domain("u@example.org", ".example.org"));
  CHECK_FALSE(address_in_domain("u@badexample.org", ".example.org"));
  CHECK(address_in_domain("u@日本.example", "xn--wgv71a.example"));
  CHECK_FALSE(address_in_domain("example.org", "example.org"));
}

TEST_CASE("held messages keep what they left the schedule with", "[held_messages]") {
  HeldMessages held;
  const QueueId one(1), two(2);
  held.park(one, {Channel::remote, 8});
  held.park(one, {Channel::remote, 1});
  held.park(one, {std::nullopt, 2});
  held.hold(two);
  CHECK(held.size() == 2);
  CHECK(held.release(one) == std::vector<ParkedEntry>{{Channel::remote, 9}, {std::nullopt, 2}});
  CHECK_FALSE(held.contains(one));
  CHECK(held.contains(two));
  CHECK(held.release(two).empty());
  CHECK(held.release(two).empty());
  CHECK(held.empty());
}

TEST_CASE("entries of some messages are taken out of a schedule", "[schedule]") {
  Schedule schedule;
  for (std::uint64_t i = 0; i < 100; ++i) schedule.push(QueueId(i % 50), 1000 + static_cast<int>(i), 4);
  CHECK(schedule.take({3, 7, 200}).size() == 4);
  CHECK(schedule.size() == 96);
  std::int64_t last = 0;
  while (const auto entry = schedule.pop_due(2000)) {
    CHECK(entry->due >= last);
    last = entry->due;
    CHECK(entry->id != 3);
    CHECK(entry->id != 7);
  }
}

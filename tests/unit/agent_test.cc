// Agents: the packets between a spawner and a program that stays, what may share a connection, and for how
// long.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/agent.h"
#include "lib/base/error.h"
#include "lib/net/next_hop.h"
#include "qmail-send/reuse.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

TEST_CASE("an agent's job is what a process would have been started with", "[agent]") {
  const AgentJob job{false, {"a.test", "", "u@a.test"}, {"QMAILTRACE=x", "QMAILMSGPARAMS=RET=HDRS"}};
  const std::string packet = "+\0\3a.test\0\0u@a.test\0QMAILTRACE=x\0QMAILMSGPARAMS=RET=HDRS\0"s;
  CHECK(encode_job(job) == packet);
  CHECK(decode_job(packet) == job);
  CHECK(decode_job("-\0\0"s) == AgentJob{true, {}, {}});
  for (std::size_t n = 0; n < packet.size(); ++n) {
    CAPTURE(n);
    const auto cut = decode_job(packet.substr(0, n));
    // whole strings are a job of their own; anything else is none
    CHECK(cut.has_value() == (n > 19 && packet[n - 1] == '\0'));
  }
  for (const std::string& bad : {"?\0\0"s, "+\0\1"s, "+\0\1a"s, "+\0\0novalue\0"s, "+\0\0=x\0"s})
    CHECK_FALSE(decode_job(bad));
  CHECK_THROWS_AS(encode_job({false, {"a\0b"s}, {}}), TempError);
  CHECK_THROWS_AS(encode_job({false, {std::string(agent_job_limit, 'a')}, {}}), TempError);
}

TEST_CASE("an agent's report", "[agent]") {
  const AgentReport report{true, HostSays::trouble, 111, "r\0Kdone\0"s};
  CHECK(encode_agent_report(report) == "+!\x6fr\0Kdone\0"s);
  CHECK(decode_agent_report(encode_agent_report(report)) == report);
  CHECK(decode_agent_report("--\0"s) == AgentReport{false, HostSays::nothing, 0, ""});
  for (const std::string& bad :
       {""s, "+"s, "+-"s, "x-\0"s, "+x\0"s, "+-\0"s + std::string(agent_output_limit + 1, 'a')})
    CHECK_FALSE(decode_agent_report(bad));
  CHECK(decode_agent_report(encode_agent_report({false, HostSays::answered, 0, std::string(70000, 'a')}))
            ->output.size() == agent_output_limit);
}

TEST_CASE("control/reuseremote", "[agent]") {
  using std::chrono::seconds;
  CHECK(parse_reuse("5 60 3") == Reuse{5, 60, seconds(3)});
  CHECK(parse_reuse(" 5\t60") == Reuse{5, 60, Reuse().idle});
  CHECK(parse_reuse("7") == Reuse{7, Reuse().seconds, Reuse().idle});
  CHECK(parse_reuse("0 0 0") == Reuse{1, 1, seconds(0)});
  CHECK(parse_reuse("99999 99999 99999") == Reuse{10000, 3600, seconds(60)});
  for (const char* bad : {"", " ", "x", "5x", "5 -1", "1 2 3 4", "99999999999999999999"})
    CHECK_FALSE(parse_reuse(bad));
}

TEST_CASE("next hops: by what name they are counted, and what is spoken to in the same way", "[agent]") {
  const std::vector<std::string> lines = {"a.test:Relay.test",
                                          "b.test:relay.test:587",
                                          "c.test:relay.test:587 starttls",
                                          "d.test:[2001:db8::1]",
                                          "e.test:",
                                          "f.test::26",
                                          ".sub.test:relay.test"};
  const auto name = [&](const char* domain) { return next_hop(lines, domain).name; };
  const auto route = [&](const char* domain) { return next_hop(lines, domain).route; };
  CHECK(name("a.test") == "relay.test");
  CHECK(name("x.sub.test") == "relay.test");
  CHECK(name("b.test") == "relay.test:587");
  CHECK(name("c.test") == "relay.test:587");
  CHECK(name("d.test") == "[2001:db8::1]");
  CHECK(next_hop(lines, "b.test").host == "relay.test");
  CHECK(name("E.test") == "e.test");
  CHECK(name("f.test") == "f.test:26");
  CHECK(name("Other.Test.") == "other.test");
  CHECK(name("\xc3\xa9.test") == "xn--9ca.test");
  CHECK(route("a.test") == route("x.sub.test"));
  CHECK(route("b.test") != route("c.test"));
  CHECK(route("relay.test") != route("a.test"));  // the one has mail exchangers, the other is one
}

TEST_CASE("next hops of the control files as they are now", "[agent]") {
  const ScratchDirectory home;
  const std::string control = home.directory("control");
  const auto write = [&](const std::string& name, const std::string& text) {
    home.write("control/" + name, text);
  };
  write("smtproutes", ":relay.test\n");
  NextHops hops{Control(home.path())};
  CHECK(hops.of("a.test", 1).name == "relay.test");
  const std::string key = hops.connection_key("s@x.test", "a.test", 1);
  CHECK(key == hops.connection_key("s@y.test", "b.test", 1));
  write("smtproutes", ":other.test\n");
  CHECK(hops.of("a.test", 1).name == "relay.test");  // looked at once a second
  CHECK(hops.of("a.test", 2).name == "other.test");
  write("smtproutes", ":relay.test\n");
  CHECK(hops.connection_key("s@x.test", "a.test", 3) != key);  // made from other files
  write("bindroutes", "");
  CHECK(hops.connection_key("s@x.test", "a.test", 4) == hops.connection_key("t@X.test", "b.test", 4));
  CHECK(hops.connection_key("s@x.test", "a.test", 4) != hops.connection_key("s@y.test", "a.test", 4));
  CHECK(hops.connection_key("", "a.test", 4) != hops.connection_key("s@y.test", "a.test", 4));
  write("tlshosts", "");
  CHECK(hops.connection_key("s@x.test", "a.test", 5) != hops.connection_key("s@x.test", "b.test", 5));
  for (const char* name : {"smtproutes", "bindroutes", "tlshosts"}) unlink((control + "/" + name).c_str());
  rmdir(control.c_str());
  CHECK(hops.connection_key("s@x.test", "a.test", 6).empty());  // nothing to see: nothing is shared
}

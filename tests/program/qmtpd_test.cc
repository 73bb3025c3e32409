// qmail-qmtpd and qmail-qmqpd as executables.
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/mail/netstring.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/live_session.h"
#include "tests/program/proc.h"
#include "tests/program/qmtp_stage.h"
#include "tests/program/queue_program.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

// A client whose name ident told, too.
const Env somebody = with(from_outside, {{"TCPREMOTEINFO", "who"}});

Outcome server(const std::string& program, const std::string& input, const Env& env = somebody) {
  Start start;
  start.args = {installed(program)};
  start.env = env;
  return run(start, input, 60);
}

}  // namespace

TEST_CASE("qmtpd: packages one behind the other, a response for each recipient in order", "[qmtp]") {
  const RunningGate gate(Controls{{"rcpthosts", "here.example\n.sub.example\n"}});
  const std::string crlf = "\rSubject: y\r\n\r\nb\rc\r\nlast";
  const Outcome done =
      server("qmail-qmtpd", qmtp("\n" + short_message, "s@there.example",
                                 {"a@here.example", "x@far.example", "b@here.example", "x@far.example"}) +
                                qmtp(crlf, "", {"c@x.sub.example", "postmaster"}) +
                                qmtp("\nz", "s@there.example", {}) +
                                qmtp("\n" + short_message, "s@there.example", {"x@far.example"}) +
                                qmtp("\nno end", "s@x.example", {"d@here.example"}));
  const std::string refused = "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";
  CHECK(responses(done.out) == Strings{"K", refused, "K", refused, "K", "K", refused, "K"});
  CHECK(done.code == 0);
  const auto queued = gate.queued();
  REQUIRE(queued.size() == 3);
  CHECK(queued[0].body == short_message);
  CHECK(queued[0].envelope.sender == "s@there.example");
  CHECK(queued[0].recipients() == Strings{"a@here.example", "b@here.example"});
  CHECK(queued[0].header.kind == Kind::mx);
  CHECK(has(queued[0].text, "Received: from out.example (who@192.0.2.7)\n  by mx.example with QMTP id "));
  CHECK(queued[1].body == "Subject: y\n\nb\rc\nlast");
  CHECK(queued[1].envelope.sender.empty());
  CHECK(queued[1].recipients() == Strings{"c@x.sub.example", "postmaster"});
  CHECK(queued[2].body == "no end");
  CHECK(has(done.err, "): accepted a message from <s@there.example> for 2, bytes 17, qp "));
  CHECK(has(done.err, "): refused recipient <x@far.example> from <s@there.example>: Dsorry, that domain"));
  // qmtp.txt section 2: responses do not wait for a further package
  LiveSession live("qmail-qmtpd");
  for (int i = 0; i < 2; ++i) {
    live.send(qmtp("\nx", "s@x.example", {"a@here.example"}));
    CHECK(responses(live.until(",")) == Strings{"K"});
  }
  live.close();
  CHECK(live.process().wait() == 0);
}

TEST_CASE("qmtpd: RELAYCLIENT opens the way and is put behind recipients; without rcpthosts everybody may",
          "[qmtp]") {
  const RunningGate gate(Controls{{"rcpthosts", "here.example\n"}});
  const std::string input = qmtp("\nx", "s@x.example", {"x@far.example", std::string(1000, 'l')});
  CHECK(responses(server("qmail-qmtpd", input, with(somebody, {{"RELAYCLIENT", "@relay"}})).out) ==
        Strings{"K", "Dsorry, I can't handle that recipient (#5.1.3)"});
  CHECK(gate.queued().at(0).recipients() == Strings{"x@far.example@relay"});
  CHECK(gate.queued().at(0).header.kind == Kind::submission);
  set_control("rcpthosts", "");
  CHECK(responses(server("qmail-qmtpd", input).out) == Strings{"K", "K"});
}

TEST_CASE("qmtpd: addresses", "[qmtp]") {
  const RunningGate gate(Controls{{"rcpthosts", "here.example\n"}});
  const std::string bad = "Dsorry, I can't handle that recipient (#5.1.3)";
  const std::string nobody = "Dunacceptable sender (#5.1.7)";
  struct Row {
    std::string sender;
    Strings recipients, responses;
  };
  const Row rows[] = {
      {"s@x.example",
       {"", "a\n@here.example", "a\0b@here.example"s, "\xff@here.example"},
       {bad, bad, bad, bad}},
      {"s@x.example",
       {std::string(989, 'l') + "@here.example", std::string(990, 'l') + "@here.example"},
       {"K", bad}},
      {"s@x.example", {"\xc3\xbc@here.example"}, {"K"}},
      {"a b\"c@x.example", {"d e@HERE.example"}, {"K"}},
      {"s\n@x.example",
       {"a@here.example", "x@far.example"},
       {nobody, "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"}},
      {std::string(1003, 's'), {"a@here.example"}, {nobody}},
      {"#@[]", {"a@here.example"}, {nobody}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sender, row.recipients);
    gate.empty();
    CHECK(responses(server("qmail-qmtpd", qmtp("\nx", row.sender, row.recipients)).out) == row.responses);
    const bool taken = std::count(row.responses.begin(), row.responses.end(), "K") > 0;
    CHECK(gate.queued().size() == (taken ? 1 : 0));
    if (taken) CHECK(gate.queued()[0].envelope.params == (row.recipients[0][0] == '\xc3' ? "SMTPUTF8" : ""));
  }
}

TEST_CASE("qmtpd and qmqpd: databytes, loops and the octet of the encoding", "[qmtp]") {
  const RunningGate gate(Controls{{"databytes", "30\n"}});
  const std::string large = "Dsorry, that message size exceeds my databytes limit (#5.3.4)";
  const std::string ten_lines = "\r01\r\n02\r\n03\r\n04\r\n05\r\n06\r\n07\r\n08\r\n09\r\n10\r\n";
  std::string hops;
  for (int i = 0; i < 99; ++i) hops += "received: x\n";
  struct Row {
    std::string encoded;
    Env env;
    std::string response;
  };
  const Row rows[] = {
      {"\n" + std::string(30, 'x'), {}, "K"},
      {"\n" + std::string(31, 'x'), {}, large},
      {ten_lines, {}, "K"},  // 40 octets, 30 as queued
      {ten_lines + "x", {}, large},
      {"\n" + std::string(40, 'x'), {{"DATABYTES", "40"}}, "K"},
      {"\n" + std::string(41, 'x'), {{"DATABYTES", "40"}}, large},
      {"\n" + hops + "\n", {{"DATABYTES", "0"}}, "K"},
      {"\n" + hops + "Delivered-To: y\n\n",
       {{"DATABYTES", "0"}},
       "Dtoo many hops, this message is looping (#5.4.6)"},
      {"xyz", {}, "Dthat message does not begin with LF or CR to tell how its lines end (#5.6.0)"},
      {"", {}, "Dthat message does not begin with LF or CR to tell how its lines end (#5.6.0)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.encoded.substr(0, 50));
    // the package behind it is taken as ever
    CHECK(responses(server("qmail-qmtpd", qmtp(row.encoded, "s@x", {"a@b"}) + qmtp("\nx", "s@x", {"a@b"}),
                           with(somebody, row.env))
                        .out) == Strings{row.response, "K"});
    if (row.encoded.empty() || row.encoded[0] != '\n') continue;
    CHECK(
        responses(server("qmail-qmqpd", qmqp(row.encoded.substr(1), "s@x", {"a@b"}), with(somebody, row.env))
                      .out) == Strings{row.response});
  }
}

TEST_CASE("qmtpd and qmqpd: what is no package gets one answer, and nothing of it is queued", "[qmtp]") {
  const RunningGate gate;
  const std::string head = net("\nm") + net("s@x");
  const Strings inputs = {
      "EHLO c.example\r\nMAIL FROM:<a@b>\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "\x16\x03\x01\x02\x00",
      "03:\nab,",
      ":",
      "-1:x,",
      "99999999999999999999:",
      "3:\nabX",
      head + "9:5:a@b,c,,",
      head + "7:3:a@b,.",
      head + "16777217:",
      std::string(100000, '1'),
      std::string(100000, '\0'),
  };
  for (const std::string& input : inputs)
    for (const char* program : {"qmail-qmtpd", "qmail-qmqpd"}) {
      CAPTURE(input.substr(0, 60), program);
      LiveSession live(program);
      live.send(input);
      live.shut();
      const Strings said = responses(live.to_end());
      REQUIRE(said.size() == 1);
      CHECK(said[0].starts_with("Dthat ") + said[0].starts_with("Dsorry, an envelope") == 1);
      CHECK(live.process().wait() == 1);
    }
  // broken off at any octet
  const std::string whole = qmtp("\n" + short_message, "s@x", {"a@b", "c@d"});
  const std::string wrapped = qmqp(short_message, "s@x", {"a@b", "c@d"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Outcome done = server("qmail-qmtpd", whole.substr(0, size));
    CAPTURE(size, done.err);
    CHECK(done.out.empty());
    CHECK(done.code == (size == 0 ? 0 : 1));
  }
  for (std::size_t size = 0; size < wrapped.size(); size += 3) {
    const Outcome done = server("qmail-qmqpd", wrapped.substr(0, size));
    CHECK(done.out.empty());
    CHECK(done.code == 1);
  }
  CHECK(gate.queued().empty());
  CHECK(responses(server("qmail-qmtpd", whole + whole.substr(0, 10)).out) ==
        Strings{"K", "K"});  // what was accepted stays
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("qmqpd: one message for anybody, one response", "[qmtp]") {
  const RunningGate gate(Controls{{"rcpthosts", "here.example\n"}});
  const Outcome done =
      server("qmail-qmqpd", qmqp(short_message, "s@x", {"a@far.example", "b@here.example"}) + "7:trailer");
  CHECK(responses(done.out) == Strings{"K"});
  CHECK(done.code == 0);
  const auto queued = gate.queued();
  REQUIRE(queued.size() == 1);
  CHECK(queued[0].body == short_message);
  CHECK(queued[0].recipients() == Strings{"a@far.example", "b@here.example"});
  CHECK(queued[0].header.kind == Kind::submission);
  CHECK(has(queued[0].text, "by mx.example with QMQP id "));
  for (const Strings& recipients :
       {Strings{"a@b", ""}, Strings{"a@b", "c\n@d"}, Strings{std::string(1003, 'x')}})
    CHECK(responses(server("qmail-qmqpd", qmqp(short_message, "s@x", recipients)).out) ==
          Strings{"Dsorry, I can't accept addresses like that (#5.1.3)"});
  CHECK(responses(server("qmail-qmqpd", qmqp(short_message, "s\n@x", {"a@b"})).out) ==
        Strings{"Dsorry, I can't accept addresses like that (#5.1.3)"});
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("qmtpd and qmqpd: no queue, no control files", "[qmtp]") {
  {
    const ControlFiles controls;  // and no gate
    const std::string busy = "Zqq the queue's gate does not answer (#4.3.0)";
    CHECK(responses(server("qmail-qmtpd", qmtp("\nx", "s@x", {"a@b", "c@d"})).out) == Strings{busy, busy});
    CHECK(responses(server("qmail-qmqpd", qmqp("x", "s@x", {"a@b", "c@d"})).out) == Strings{busy});
  }
  const ControlFiles controls(Controls{{"morercpthosts.cdb", "no cdb"}, {"rcpthosts", "here.example\n"}});
  const Outcome broken = server("qmail-qmtpd", qmtp("\nx", "s@x", {"a@far.example"}));
  CAPTURE(broken.out, broken.err);
  REQUIRE(responses(broken.out).size() == 1);
  CHECK(responses(broken.out)[0][0] == 'Z');
}

TEST_CASE("qmtpd and qmqpd: $QMAILQUEUE", "[qmtp]") {
  const ControlFiles controls;
  struct Row {
    const char* end;
    const char* response;
  };
  const Row rows[] = {
      {"exit 0", "K"},
      {"exit 31", "Dmail server permanently rejected message (#5.3.0)"},
      {"exit 51", "Zqq out of memory (#4.3.0)"},
      {"printf 'D554 no (#5.7.9)' >&6; exit 82", "Dno (#5.7.9)"},
  };
  for (const Row& row : rows) {
    const QueueProgram program(row.end);
    const Env env = with(somebody, {{"QMAILQUEUE", program.path()}});
    CHECK(responses(server("qmail-qmtpd", qmtp("\nx", "s@x", {"a@b"}), env).out) == Strings{row.response});
    CHECK(responses(server("qmail-qmqpd", qmqp("x", "s@x", {"a@b"}), env).out) == Strings{row.response});
  }
}

TEST_CASE("qmtpd and qmqpd: as qmaild, confined and sealed, before the first byte", "[qmtp]") {
  const RunningGate gate;
  const std::optional<User> qmaild = passwd_user(conf::user_qmaild);
  REQUIRE(qmaild);
  const std::string id = std::to_string(qmaild->uid);
  for (const char* program : {"qmail-qmtpd", "qmail-qmqpd"}) {
    LiveSession live(program);
    REQUIRE(eventually([&] { return status_field(live.pid(), "Seccomp") == "2"; }));
    CHECK(status_field(live.pid(), "Uid") == id + "\t" + id + "\t" + id + "\t" + id);
    CHECK(status_field(live.pid(), "NoNewPrivs") == "1");
    CHECK(proc_link(live.pid(), "root") == std::string(conf::home) + "/gate");
  }
}

TEST_CASE("qmtpd and qmqpd: large messages and envelopes in little memory", "[qmtp]") {
  const RunningGate gate;
  const std::string megabyte(1U << 20, 'x');
  constexpr std::size_t recipients = 250000;
  std::string list;
  for (std::size_t i = 0; i < recipients; ++i) list += net("r@0123456789.0123456789.e.jp");
  for (const bool is_qmtp : {true, false}) {
    LiveSession live(is_qmtp ? "qmail-qmtpd" : "qmail-qmqpd");
    const std::size_t size = 80U << 20;
    const std::string envelope = net("s@x") + (is_qmtp ? net(list) : list);
    if (is_qmtp)
      live.send(std::to_string(size + 1) + ":\n");
    else
      live.send(std::to_string(netstring_size(size) + envelope.size()) + ":" + std::to_string(size) + ":");
    for (int i = 0; i < 80; ++i) live.send(megabyte);
    live.send("," + envelope + (is_qmtp ? "" : ","));
    CHECK(responses(live.until(",", 120)).at(0)[0] == 'K');
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
    CHECK(live.peak_kib() < 64 << 10);
#endif
    if (!is_qmtp) continue;
    live.shut();
    std::size_t more = 0;  // the first one is read already
    const std::string rest = live.to_end(60);
    for (const char c : rest) more += c == 'K' ? 1 : 0;
    CHECK(more > recipients - 1000);
    CHECK(live.peak_kib() < 64 << 10);
  }
  const auto queued = gate.queued();
  REQUIRE(queued.size() == 2);
  CHECK(queued[0].envelope.recipients.size() == recipients);
}

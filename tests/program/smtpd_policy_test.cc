// qmail-smtpd asks policy servers: control/policy, control/policyfail, qmail-policy(5).
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/policy_server.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;

namespace {

const Controls controls = {{"rcpthosts", "here.example\n"}};
const std::map<std::string, std::string> from_outside = {
    {"PROTO", "TCP"},           {"TCPREMOTEIP", "192.0.2.7"}, {"TCPREMOTEHOST", "out.example"},
    {"TCPREMOTEPORT", "40001"}, {"TCPLOCALIP", "192.0.2.1"},  {"TCPLOCALPORT", "25"}};

Controls with(Controls more) {
  more.insert(controls.begin(), controls.end());
  return more;
}

std::string in_gate(const std::string& name) {
  return std::string(conf::home) + "/gate/policy/" + name;
}

Outcome smtp(const std::string& input, std::map<std::string, std::string> env = from_outside) {
  Start start;
  start.args = {installed("qmail-smtpd")};
  start.env = std::move(env);
  return run(start, input, 60);
}

std::string action(std::string_view text) {
  return encode_policy_answer(text);
}

// The answer for the state's requests, DUNNO for all others.
PolicyStub::Answer at(const char* state, const char* answer) {
  return [=](const PolicyRequest& request) {
    return action(request.value("protocol_state") == state ? answer : "DUNNO");
  };
}

const std::string everywhere = " CONNECT MAIL RCPT DATA END-OF-MESSAGE";
const std::string hello = "EHLO c.example\r\n";
const std::string letter =
    "MAIL FROM:<s@there.example> SIZE=900\r\nRCPT TO:<r@here.example>\r\nDATA\r\nSubject: "
    "x\r\n\r\nbody\r\n.\r\n";

}  // namespace

TEST_CASE("smtpd policy: a server is asked at each state, with everything that is known", "[smtpd][policy]") {
  const RunningGate gate(with({{"policy", "one" + everywhere + " context=word\n"}}));
  const PolicyStub stub(in_gate("one"), at("", ""));
  const Outcome done = smtp(hello + letter + letter + "QUIT\r\n");
  CAPTURE(done.out, done.err);
  CHECK(done.code == 0);
  CHECK(gate.queued().size() == 2);
  CHECK(stub.connections() == 1);  // one for the session
  const std::vector<PolicyRequest> all = stub.requests();
  REQUIRE(all.size() == 9);
  const std::vector<std::pair<const char*, const char*>> at_rcpt = {{"request", "smtpd_access_policy"},
                                                                    {"protocol_state", "RCPT"},
                                                                    {"protocol_name", "ESMTP"},
                                                                    {"client_address", "192.0.2.7"},
                                                                    {"client_name", "out.example"},
                                                                    {"client_port", "40001"},
                                                                    {"reverse_client_name", "out.example"},
                                                                    {"server_address", "192.0.2.1"},
                                                                    {"server_port", "25"},
                                                                    {"helo_name", "c.example"},
                                                                    {"sender", "s@there.example"},
                                                                    {"recipient", "r@here.example"},
                                                                    {"recipient_count", "0"},
                                                                    {"queue_id", ""},
                                                                    {"size", "900"},
                                                                    {"sasl_method", ""},
                                                                    {"sasl_username", ""},
                                                                    {"encryption_keysize", "0"},
                                                                    {"policy_context", "word"}};
  for (const auto& [name, value] : at_rcpt) {
    CAPTURE(name);
    CHECK(all[2].value(name) == value);
  }
  struct Row {
    const char *state, *sender, *recipient, *count, *size;
  };
  const Row rows[] = {{"CONNECT", "", "", "0", "0"},
                      {"MAIL", "s@there.example", "", "0", "900"},
                      {"RCPT", "s@there.example", "r@here.example", "0", "900"},
                      {"DATA", "s@there.example", "r@here.example", "1", "900"},
                      {"END-OF-MESSAGE", "s@there.example", "r@here.example", "1", "17"}};
  for (std::size_t i = 0; i < 9; ++i) {
    const Row& row = rows[i < 5 ? i : i - 4];
    CAPTURE(i);
    CHECK(all[i].value("protocol_state") == row.state);
    CHECK(all[i].value("sender") == row.sender);
    CHECK(all[i].value("recipient") == row.recipient);
    CHECK(all[i].value("recipient_count") == row.count);
    CHECK(all[i].value("size") == row.size);
  }
  // The same instance for one message, another for the next: the trace of the log.
  CHECK(all[1].value("instance") == all[4].value("instance"));
  CHECK(all[5].value("instance") == all[8].value("instance"));
  CHECK(all[1].value("instance") != all[5].value("instance"));
  CHECK(has(done.err, "trace " + std::string(all[1].value("instance")) + " "));
}

TEST_CASE("smtpd policy: refusals at each state", "[smtpd][policy]") {
  const RunningGate gate(with({{"policy", "one" + everywhere + "\n"}}));
  struct Row {
    const char *state, *answer;
    const char* reply;  // what the client sees of it
    bool queued;
  };
  const Row rows[] = {
      {"CONNECT", "550 5.7.1 go away", "554 go away (#5.7.1)\r\n", false},
      {"CONNECT", "DEFER busy", "421 busy (#4.7.1)\r\n", false},
      {"MAIL", "REJECT", "554 5.7.1 sorry, that is against my policy (#5.7.1)\r\n", false},
      {"RCPT", "450 4.2.0 greylisted", "450 4.2.0 greylisted (#4.2.0)\r\n", false},
      {"RCPT", "452 4.5.2 sorry, mailbox is full (#4.5.2)", "\r\n452 sorry, mailbox is full (#4.5.2)\r\n",
       false},
      {"RCPT", "421 4.7.0 enough", "421 4.7.0 enough (#4.7.0)\r\n", false},
      {"DATA", "554 no", "554 5.7.1 no (#5.7.1)\r\n", false},
      {"END-OF-MESSAGE", "554 no", "554 5.7.1 no (#5.7.1)\r\n", false},
      {"END-OF-MESSAGE", "DEFER_IF_PERMIT later", "450 4.7.1 later (#4.7.1)\r\n", false},
      {"END-OF-MESSAGE", "DISCARD", "250 2.0.0 ok ", false},
      {"CONNECT", "DISCARD", "250 2.0.0 ok ", false},
      {"RCPT", "DISCARD", "250 2.0.0 ok ", false},
      {"RCPT", "HOLD", "451 4.3.0 i cannot check my policy just now", false},
      {"RCPT", "WARN strange", "250 2.0.0 ok ", true},
      {"END-OF-MESSAGE", "OK", "250 2.0.0 ok ", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.state, row.answer);
    const PolicyStub stub(in_gate("one"), at(row.state, row.answer));
    const Outcome done = smtp(hello + letter + "QUIT\r\n");
    CAPTURE(done.out, done.err);
    CHECK(has(done.out, row.reply));
    CHECK(gate.queued().empty() == !row.queued);
    const std::string shown(row.answer);
    if (!row.queued && !shown.starts_with("DISCARD")) {
      CHECK(has(done.err, " (policy one): "));
      // one line for the refusal; what a client in a pipeline makes of it is refused in lines of its own
      const std::size_t first = done.err.find(" (policy one): ");
      CHECK(done.err.find(" (policy one): ", first + 1) == std::string::npos);
    }
    if (shown == "WARN strange") CHECK(has(done.err, "policy one: WARN: strange"));
    if (shown.starts_with("DISCARD"))
      CHECK(has(done.err, "discarded a message from <s@there.example> for 1, bytes 17"));
    if (std::string(row.reply).starts_with("421")) CHECK(done.code == 1);  // hung up
    gate.empty();
  }
}

TEST_CASE("smtpd policy: a refused recipient leaves the others, also with BDAT", "[smtpd][policy]") {
  const RunningGate gate(with({{"policy", "one RCPT DATA END-OF-MESSAGE\n"}}));
  const PolicyStub stub(in_gate("one"), [](const PolicyRequest& request) {
    return action(request.value("recipient") == "no@here.example" ? "550 5.1.1 no" : "DUNNO");
  });
  const Outcome done =
      smtp(hello +
           "MAIL FROM:<s@there.example>\r\nRCPT TO:<no@here.example>\r\nRCPT TO:<a@here.example>\r\n"
           "RCPT TO:<b@here.example>\r\nBDAT 3\r\nx\r\nBDAT 3 LAST\r\ny\r\nQUIT\r\n");
  CAPTURE(done.out, done.err);
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 1);
  CHECK(queued[0].recipients() == std::vector<std::string>{"a@here.example", "b@here.example"});
  std::string states;
  for (const PolicyRequest& request : stub.requests())
    states += std::string(request.value("protocol_state")) + " ";
  CHECK(states == "RCPT RCPT RCPT DATA END-OF-MESSAGE ");
  CHECK(stub.requests()[3].value("recipient").empty());
  CHECK(stub.requests()[3].value("recipient_count") == "2");
}

TEST_CASE("smtpd policy: PREPEND puts fields in front, which databytes does not count", "[smtpd][policy]") {
  const RunningGate gate(with({{"policy", "one" + everywhere + "\n"}, {"databytes", "17\n"}}));
  const PolicyStub stub(in_gate("one"), [](const PolicyRequest& request) {
    const std::string_view state = request.value("protocol_state");
    if (state == "CONNECT") return action("PREPEND X-Connect: 1");
    if (state == "RCPT") return action("PREPEND X-Greylist: delayed 300 seconds");
    if (state == "DATA") return action("PREPEND this is no field");
    return action("DUNNO");
  });
  std::string small = letter;
  small.replace(small.find(" SIZE=900"), 9, "");
  const Outcome done = smtp(hello + small + small + "QUIT\r\n");
  CAPTURE(done.out, done.err);
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 2);
  for (const Queued& message : queued) {
    CHECK(message.body == "Subject: x\n\nbody\n");
    CHECK(has(message.text, "\nX-Connect: 1\nX-Greylist: delayed 300 seconds\nSubject: x\n\nbody\n"));
    CHECK(message.text.starts_with("Received: "));
  }
  CHECK(has(done.err, "PREPEND of what is no header field: this is no field"));
}

TEST_CASE("smtpd policy: several servers, and who is asked for which client", "[smtpd][policy]") {
  ScratchDirectory scratch;
  const RunningGate gate(
      with({{"policy", "one RCPT\n" + scratch.file("two") + " RCPT mx\nthree RCPT submission\n"}}));
  const PolicyStub one(in_gate("one"), [](const PolicyRequest& request) {
    return action(request.value("recipient") == "ok@here.example" ? "OK" : "DUNNO");
  });
  const PolicyStub two(scratch.file("two"),
                       at("RCPT", "550 5.7.1 two says no"));  // outside of what is the root later
  const PolicyStub three(in_gate("three"), at("RCPT", "550 5.7.1 three says no"));
  const std::string some =
      hello +
      "MAIL FROM:<s@there.example>\r\nRCPT TO:<ok@here.example>\r\nRCPT TO:<r@here.example>\r\nQUIT\r\n";
  const Outcome outside = smtp(some);
  CAPTURE(outside.out, outside.err);
  CHECK(has(outside.out, "250 2.1.5 ok\r\n550 5.7.1 two says no (#5.7.1)\r\n"));
  CHECK(has(outside.err, "(policy " + scratch.file("two") + "): 550"));
  std::map<std::string, std::string> relay = from_outside;
  relay["RELAYCLIENT"] = "";
  CHECK(has(smtp(some, relay).out, "250 2.1.5 ok\r\n550 5.7.1 three says no (#5.7.1)\r\n"));
  CHECK(one.requests().size() == 4);
  CHECK(two.requests().size() == 1);
  CHECK(three.requests().size() == 1);
}

TEST_CASE("smtpd policy: servers that cannot be asked", "[smtpd][policy]") {
  const std::string cannot =
      "451 4.3.0 i cannot check my policy just now, please try again later (#4.3.0)\r\n";
  struct Row {
    const char *line, *fail, *bytes;
    bool goes_on;
    const char* log;
  };
  const Row rows[] = {
      {"nobody RCPT", "", "", false, "policy nobody: connect to /policy/nobody: No such file or directory"},
      {"nobody RCPT", "go", "", true, "policy nobody: connect"},
      {"nobody RCPT fail=451", "go", "", false, "policy nobody: connect"},
      {"nobody RCPT fail=go", "451", "", true, "policy nobody: connect"},
      {"/nonexistent/s RCPT", "", "", false,
       "policy /nonexistent/s: connect to /nonexistent/s: No such file"},
      {"one RCPT", "", "", false, "policy one: hung up without an answer"},
      {"one RCPT", "", "nonsense\n\n", false, "policy one: an answer that makes no sense"},
      {"one RCPT", "", "action=DUNNO\n\naction=DUNNO\n\n", false, "policy one: more than one answer"},
      {"one RCPT seconds=1", "", "?", false, "policy one: no answer for 1 s"},
      {"one RCPT seconds=1", "go", "?", true, "policy one: no answer for 1 s"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line, row.fail, row.bytes);
    const RunningGate gate(
        with({{"policy", std::string(row.line) + "\n"}, {"policyfail", std::string(row.fail) + "\n"}}));
    const std::string bytes = std::string(row.bytes) == "?" ? std::string(1, '\0') : row.bytes;
    const PolicyStub stub(in_gate("one"), [&](const PolicyRequest&) { return bytes; });
    const Outcome done = smtp(hello + letter + "MAIL FROM:<>\r\nRCPT TO:<r@here.example>\r\nQUIT\r\n");
    CAPTURE(done.out, done.err);
    CHECK(has(done.out, cannot) == !row.goes_on);
    CHECK(gate.queued().size() == (row.goes_on ? 1 : 0));
    CHECK(has(done.err, row.log));
    // Once: it is let alone for a while then.
    CHECK(done.err.find(row.log) == done.err.rfind(row.log));
  }
}

TEST_CASE("smtpd policy: a server that ends its idle connections is asked by another one",
          "[smtpd][policy]") {
  const RunningGate gate(with({{"policy", "one RCPT\n"}}));
  bool hang_up = false;
  const PolicyStub stub(in_gate("one"), [&](const PolicyRequest&) {
    hang_up = !hang_up;
    return hang_up ? action("DUNNO") : std::string();
  });
  const Outcome done =
      smtp(hello + "MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nRCPT TO:<b@here.example>\r\nQUIT\r\n");
  CAPTURE(done.out, done.err);
  CHECK(has(done.out, "250 2.1.5 ok\r\n250 2.1.5 ok\r\n"));
  CHECK(stub.connections() == 2);
}

TEST_CASE("smtpd policy: a line that is not understood is logged; a program's queue gets the fields, too",
          "[smtpd][policy]") {
  const RunningGate gate(with({{"policy", "one SOMETIME\none DATA\n"}}));
  const PolicyStub stub(in_gate("one"), at("DATA", "PREPEND X-A: b"));
  ScratchDirectory scratch;
  chmod(scratch.path().c_str(), 0777);
  const std::string program =
      scratch.write("program", "#!/bin/sh\ncat >" + scratch.file("message") + "\ncat <&1 >/dev/null\n");
  chmod(program.c_str(), 0755);
  std::map<std::string, std::string> env = from_outside;
  env["QMAILQUEUE"] = program;
  const Outcome done = smtp(hello + letter + "QUIT\r\n", env);
  CHECK(has(done.err, "control/policy: not understood: one SOMETIME"));
  CHECK(has(slurp(scratch.file("message")), "\nX-A: b\nSubject: x\n\nbody\n"));
}

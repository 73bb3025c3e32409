// The policy delegation protocol (Postfix's SMTPD_POLICY_README, access(5)), lines of control/policy, and
// what several answers come to. qmail-policy(5).

#include "lib/net/policy.h"
#include "smtpd/policy.h"
#include "smtpd/reply.h"
#include "tests/catch.h"

using namespace hato;
using namespace hato::smtpd;

namespace {

PolicyServer server(const char* line = "s RCPT") {
  return PolicyServer::parse(line, "/gate/policy").value();
}

// What the answers of several servers come to.
PolicyOutcome outcome(const std::vector<const char*>& actions, PolicyState state = PolicyState::rcpt) {
  PolicyVerdict verdict(state);
  for (const char* action : actions)
    if (!verdict.take(server(), parse_policy_answer(std::string("action=") + action + "\n\n").value())) break;
  return verdict.finish();
}

std::string reply(const PolicyOutcome& said, bool enhanced) {
  Replies replies;
  replies.enhanced(enhanced);
  return replies.line_of_policy(said);
}

}  // namespace

TEST_CASE("policy: requests", "[policy]") {
  std::string text;
  append_policy_attribute(text, "request", "smtpd_access_policy");
  append_policy_attribute(text, "sender", "a=b@c");
  append_policy_attribute(text, "helo_name", std::string("x\ny\0z", 5));
  append_policy_attribute(text, "recipient", "");
  append_policy_attribute(text, "long", std::string(5000, 'l'));
  CHECK(text.starts_with("request=smtpd_access_policy\nsender=a=b@c\nhelo_name=x?y?z\nrecipient=\nlong=lll"));
  CHECK_FALSE(policy_message_size(text));
  text += "\n";
  CHECK(policy_message_size(text) == text.size());
  CHECK(policy_message_size(text + "more") == text.size());
  CHECK(policy_message_size("\nx") == 1);
  const auto request = parse_policy_request(text);
  REQUIRE(request);
  CHECK(request->attributes.size() == 5);
  CHECK(request->value("sender") == "a=b@c");
  CHECK(request->value("recipient").empty());
  CHECK(request->value("nothing").empty());
  CHECK(request->value("long").size() == policy_value_limit);
  CHECK(parse_policy_request("request=a\nx=1\nx=2\n\n")->value("x") == "1");
  for (const char* bad : {"", "\n", "x=y\n\n", "request=\n\n", "request=a\nno\n\n", "request=a\n=v\n\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_policy_request(bad));
  }
}

TEST_CASE("policy: answers", "[policy]") {
  using A = PolicyAction;
  struct Row {
    const char* action;
    PolicyAnswer answer;
  };
  const Row rows[] = {
      {"DUNNO", {A::dunno, 0, "", ""}},
      {"dunno", {A::dunno, 0, "", ""}},
      {"OK", {A::ok, 0, "", ""}},
      {"250", {A::ok, 0, "", ""}},
      {"1311412122", {A::ok, 0, "", ""}},
      {"REJECT", {A::reject, 554, "5.7.1", ""}},
      {"REJECT  no thanks ", {A::reject, 554, "5.7.1", "no thanks"}},
      {"REJECT 5.1.8 no such sender", {A::reject, 554, "5.1.8", "no such sender"}},
      {"REJECT 4.1.8 of another class", {A::reject, 554, "5.7.1", "4.1.8 of another class"}},
      {"550 no mailbox", {A::reject, 550, "5.7.1", "no mailbox"}},
      {"550 5.1.1", {A::reject, 550, "5.1.1", ""}},
      {"450 4.2.0 greylisted", {A::reject, 450, "4.2.0", "greylisted"}},
      {"450 4.2.0x y", {A::reject, 450, "4.7.1", "4.2.0x y"}},
      {"450 4.2.1234 y", {A::reject, 450, "4.7.1", "4.2.1234 y"}},
      {"421 go away", {A::reject, 421, "4.7.1", "go away"}},
      {"550", {A::reject, 550, "5.7.1", ""}},
      {"350 odd", {A::ok, 0, "", "odd"}},
      {"DEFER later", {A::defer, 450, "4.7.1", "later"}},
      {"defer_if_permit Service temporarily unavailable",
       {A::defer_if_permit, 450, "4.7.1", "Service temporarily unavailable"}},
      {"DEFER_IF_REJECT x", {A::defer_if_reject, 0, "", "x"}},
      {"DISCARD x", {A::discard, 0, "", "x"}},
      {"PREPEND X-Greylist: delayed 300 seconds", {A::prepend, 0, "", "X-Greylist: delayed 300 seconds"}},
      {"WARN x", {A::warn, 0, "", "x"}},
      {"INFO x", {A::info, 0, "", "x"}},
      {"BCC a@b", {A::bcc, 0, "", "a@b"}},
      {"FILTER smtp:[x]", {A::filter, 0, "", "smtp:[x]"}},
      {"HOLD", {A::hold, 0, "", ""}},
      {"REDIRECT a@b", {A::redirect, 0, "", "a@b"}},
      {"permit_mynetworks", {A::unknown, 0, "", "permit_mynetworks"}},
      {"", {A::unknown, 0, "", ""}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.action);
    const auto answer = parse_policy_answer(std::string("action=") + row.action + "\n\n");
    REQUIRE(answer);
    CHECK(*answer == row.answer);
  }
  CHECK(parse_policy_answer("action=DUNNO\r\n\n")->action == A::dunno);
  CHECK(parse_policy_answer("other=1\naction=OK\n\n")->action == A::ok);
  for (const char* bad : {"", "\n", "x\n\n", "Action=OK\n\n", "\naction=OK\n\n"})
    CHECK_FALSE(parse_policy_answer(bad));
  CHECK(encode_policy_answer("550 5.1.1 a\nb") == "action=550 5.1.1 a?b\n\n");
}

TEST_CASE("policy: lines of control/policy", "[policy]") {
  const PolicyServer relative = server("greylist\tRCPT mx");
  CHECK(relative.path == "/gate/policy/greylist");
  CHECK(relative.states[static_cast<int>(PolicyState::rcpt)]);
  CHECK_FALSE(relative.states[static_cast<int>(PolicyState::mail)]);
  CHECK((relative.mx && !relative.submission));
  CHECK(relative.seconds == 30);
  CHECK_FALSE(relative.goes_on);
  const PolicyServer all =
      server("/run/x connect Mail RCPT DATA End-Of-Message fail=go seconds=300 context=a=b submission");
  CHECK(all.path == "/run/x");
  CHECK(std::all_of(std::begin(all.states), std::end(all.states), [](bool asked) { return asked; }));
  CHECK(all.goes_on == true);
  CHECK(all.seconds == 300);
  CHECK(all.context == "a=b");
  CHECK((!all.mx && all.submission));
  CHECK(server("x RCPT fail=451").goes_on == false);
  for (const char* bad : {"", "x", "x mx", "x RCPT seconds=0", "x RCPT seconds=301", "x RCPT seconds=",
                          "x RCPT fail=550", "x RCPT other", "x HELO", "x RCPT seconds=1e2"}) {
    CAPTURE(bad);
    CHECK_FALSE(PolicyServer::parse(bad, "/d"));
  }
  CHECK(policy_fail_goes_on("go"));
  for (const char* other : {"", "451", "yes", "GO"}) CHECK_FALSE(policy_fail_goes_on(other));
}

TEST_CASE("policy: what several servers come to", "[policy]") {
  struct Row {
    std::vector<const char*> actions;
    int code;
    const char* status;
    const char* text;
  };
  const Row rows[] = {
      {{}, 0, "", ""},
      {{"DUNNO", "DUNNO"}, 0, "", ""},
      {{"DUNNO", "REJECT x"}, 554, "5.7.1", "x"},
      {{"OK", "REJECT x"}, 0, "", ""},
      {{"PREPEND A: b", "450 later"}, 450, "4.7.1", "later"},
      {{"DEFER_IF_PERMIT a", "DUNNO"}, 450, "4.7.1", "a"},
      {{"DEFER_IF_PERMIT a", "DEFER_IF_PERMIT b"}, 450, "4.7.1", "a"},
      {{"DEFER_IF_PERMIT a", "OK"}, 450, "4.7.1", "a"},
      {{"DEFER_IF_PERMIT a", "550 5.1.1 b"}, 550, "5.1.1", "b"},
      {{"DEFER_IF_REJECT a", "550 5.1.1 b"}, 450, "4.1.1", "b"},
      {{"DEFER_IF_REJECT a", "DUNNO"}, 0, "", ""},
      {{"550 a", "550 b"}, 550, "5.7.1", "a"},
      {{"WARN x", "INFO y", "BCC z"}, 0, "", ""},
      {{"HOLD"}, 451, "4.3.5", ""},
      {{"FILTER x"}, 451, "4.3.5", ""},
      {{"REDIRECT x"}, 451, "4.3.5", ""},
      {{"reject_unknown"}, 451, "4.3.5", ""},
  };
  for (const Row& row : rows) {
    const PolicyOutcome said = outcome(row.actions);
    CAPTURE(row.actions);
    CHECK(said.code == row.code);
    CHECK(said.status == row.status);
    CHECK(said.text == row.text);
    CHECK(said.by == (row.code == 0 ? "" : "s"));
  }
  CHECK(outcome({"DISCARD", "REJECT"}).discard);
  CHECK(outcome({"PREPEND A: b", "PREPEND C: d"}).fields == "A: b\nC: d\n");
  CHECK(outcome({"DEFER_IF_PERMIT x", "PREPEND A: b"}).fields == "A: b\n");
  for (const char* no_field : {"PREPEND", "PREPEND no field", "PREPEND : x", "PREPEND A: b\x01"}) {
    const PolicyOutcome said = outcome({no_field});
    CAPTURE(no_field);
    CHECK(said.fields.empty());
    CHECK(said.notes.size() == 1);
  }
  const PolicyOutcome late = outcome({"PREPEND A: b"}, PolicyState::end_of_message);
  CHECK(late.fields.empty());
  CHECK(late.notes == std::vector<std::string>{"policy s: PREPEND comes too late at END-OF-MESSAGE: A: b"});
  CHECK(outcome({"WARN x"}).notes == std::vector<std::string>{"policy s: WARN: x"});
}

TEST_CASE("policy: the replies of refusals", "[policy]") {
  struct Row {
    const char* action;
    const char* plain;     // after HELO
    const char* enhanced;  // after EHLO
  };
  const Row rows[] = {
      {"REJECT", "554 sorry, that is against my policy (#5.7.1)\r\n",
       "554 5.7.1 sorry, that is against my policy (#5.7.1)\r\n"},
      {"REJECT 5.7.27", "554 sorry, that is against my policy (#5.7.27)\r\n",
       "554 5.7.27 sorry, that is against my policy (#5.7.27)\r\n"},
      {"550", "550 sorry, that is against my policy (#5.7.1)\r\n",
       "550 5.7.1 sorry, that is against my policy (#5.7.1)\r\n"},
      {"DEFER", "450 not now by my policy, please try again later (#4.7.1)\r\n",
       "450 4.7.1 not now by my policy, please try again later (#4.7.1)\r\n"},
      {"REJECT go away", "554 go away (#5.7.1)\r\n", "554 5.7.1 go away (#5.7.1)\r\n"},
      {"451 4.7.650 gr\xc3\xbcn", "451 gr??n (#4.7.650)\r\n", "451 4.7.650 gr??n (#4.7.650)\r\n"},
      {"550 5.1.1 no (#5.2.2)", "550 no (#5.2.2)\r\n", "550 5.2.2 no (#5.2.2)\r\n"},
      // the suite's own texts: the second is sent word for word
      {"550 5.1.1 sorry, no mailbox here by that name (#5.1.1)",
       "550 sorry, no mailbox here by that name (#5.1.1)\r\n",
       "550 5.1.1 sorry, no mailbox here by that name (#5.1.1)\r\n"},
      {"452 4.5.2 sorry, mailbox is full (#4.5.2)", "452 sorry, mailbox is full (#4.5.2)\r\n",
       "452 sorry, mailbox is full (#4.5.2)\r\n"},
      {"HOLD", "451 i cannot check my policy just now, please try again later (#4.3.0)\r\n",
       "451 4.3.0 i cannot check my policy just now, please try again later (#4.3.0)\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.action);
    CHECK(reply(outcome({row.action}), false) == row.plain);
    CHECK(reply(outcome({row.action}), true) == row.enhanced);
  }
  const std::string longest = reply(outcome({("REJECT " + std::string(5000, 'x')).c_str()}), true);
  CHECK(longest.size() <= 512);
  Replies own;
  CHECK(own.override_with("mailboxfull: 452 der Briefkasten ist voll (#4.2.2)"));
  CHECK(own.line_of_policy(outcome({"452 4.5.2 sorry, mailbox is full (#4.5.2)"})) ==
        "452 der Briefkasten ist voll (#4.2.2)\r\n");
}

// Forwards of qmail-local, through the real gate and programs in its place: dot-qmail(5), qmail-local(8).
#include "lib/net/gate.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/local_home.h"
#include "tests/program/queue_program.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("dot-qmail(5): forwarding") {
  struct Row {
    const char *file, *content;
    std::vector<const char*> owners;
    const char *ext, *sender;
    const char* envelope;
  };
  const Row rows[] = {
      {".qmail-l",
       "&a@b.example\nc@d.example\n",
       {},
       "l",
       "s@x.example",
       "Fs@x.example|Ta@b.example|Tc@d.example||"},
      {".qmail-l",
       "+list\na@b\n",
       {".qmail-l-owner"},
       "l",
       "s@x.example",
       "Fjoe-l-owner@www.at.example|Ta@b||"},
      {".qmail-l",
       "a@b\n",
       {".qmail-l-owner", ".qmail-l-owner-default"},
       "l",
       "s@x.example",
       "Fjoe-l-owner-@www.at.example-@[]|Ta@b||"},
      {".qmail-l", "a@b\n", {".qmail-l-owner-default"}, "l", "s@x.example", "Fs@x.example|Ta@b||"},
      {".qmail-default",
       "a@b\n",
       {".qmail-l-owner"},
       "l",
       "s@x.example",
       "Fjoe-l-owner@www.at.example|Ta@b||"},
      // bounces keep their sender
      {".qmail-l", "a@b\n", {".qmail-l-owner"}, "l", "", "F|Ta@b||"},
      {".qmail-l", "a@b\n", {".qmail-l-owner"}, "l", "#@[]", "F#@[]|Ta@b||"},
      // 99 ends the file, but not the forwards before it; a program's failure ends all
      {".qmail-l", "a@b\n|exit 99\nc@d\n", {}, "l", "s@x", "Fs@x|Ta@b||"},
      {".qmail-l", "a@b\n|exit 100\nc@d\n", {}, "l", "s@x", ""},
  };
  for (const Row& row : rows) {
    const LocalHome home;
    const QueueProgram queue;
    home.file(row.file, row.content);
    for (const char* owner : row.owners) home.file(owner, "#\n");
    const Outcome outcome = home.deliver({.local = std::string("joe-") + row.ext,
                                          .dash = "-",
                                          .ext = row.ext,
                                          .sender = row.sender,
                                          .env = {{"QMAILQUEUE", queue.path()}}});
    INFO(row.content << outcome.err);
    CHECK(queue.envelope() == row.envelope);
    if (row.envelope[0] == '\0') continue;
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("\nqp ") != std::string::npos);
    // no Return-Path in front: dot-qmail(5)
    CHECK(queue.message() ==
          "Delivered-To: joe-" + std::string(row.ext) + "@www.at.example\n" + small_message);
    const std::string envelope = row.envelope;
    CHECK(
        has("\n" + queue.environment(), "\nNEWSENDER=" + envelope.substr(1, envelope.find('|') - 1) + "\n"));
  }
}

TEST_CASE("qmail-local: forwards through the gate, as the user") {
  RunningGate gate;
  const LocalHome home;
  home.file(".qmail-list", "+list\n&a@b.example\nc@d.example\n");
  home.file(".qmail-list-owner", "#\n");
  std::string message = small_message;
  SECTION("short") {}
  SECTION("in several pieces") {
    message += std::string(1 << 20, 'm');
  }
  const Outcome outcome = home.deliver({.local = "joe-list", .dash = "-", .ext = "list", .message = message});
  CHECK(outcome.code == 0);
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 1);
  CHECK(outcome.out == "did 0+2+0\nqp " + std::to_string(queued[0].header.qp) + "\n");
  CHECK(queued[0].header.kind == Kind::forward);
  CHECK(queued[0].header.uid == joe_uid);
  CHECK(queued[0].envelope.sender == "joe-list-owner@www.at.example");
  CHECK(queued[0].recipients() == std::vector<std::string>{"a@b.example", "c@d.example"});
  CHECK(queued[0].body == "Delivered-To: joe-list@www.at.example\n" + message);
}

TEST_CASE("qmail-local: a gate that is not there defers") {
  const ControlFiles patience(Controls{{"timeoutgate", "1\n"}}, {});
  const LocalHome home;
  home.file(".qmail", "&a@b.example\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 111);
  CHECK(outcome.err.starts_with("Unable to forward message: "));
}

TEST_CASE("qmail-local: what a sender wants to hear of goes on with a forward (RFC 3461 5.2.7)") {
  RunningGate gate;
  const LocalHome home;
  home.maildir();
  LocalCall call;
  call.local = "joe-list", call.dash = "-", call.ext = "list";
  call.env = {{"QMAILMSGPARAMS", "BODY=8BITMIME RET=HDRS ENVID=x"},
              {"QMAILRCPTPARAMS", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;joe@www.at.example"}};
  const std::string passed_on = "The request for a delivery report was passed on.\n";
  struct Row {
    const char *dotfile, *owner;
    bool passed;
    const char *message_params, *recipient_params;
  };
  for (const Row& row : {
           Row{"&a@far.example\n", "", true, "BODY=8BITMIME RET=HDRS ENVID=x",
               "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;joe@www.at.example"},
           // that it reached the list, or the mailbox, is told here
           Row{"&a@far.example\n&b@far.example\n", "", false, "BODY=8BITMIME RET=HDRS ENVID=x",
               "NOTIFY=DELAY ORCPT=rfc822;joe@www.at.example"},
           Row{"./Maildir/\n&a@far.example\n", "", false, "BODY=8BITMIME RET=HDRS ENVID=x",
               "NOTIFY=DELAY ORCPT=rfc822;joe@www.at.example"},
           Row{"&a@far.example\n", "owner", false, "BODY=8BITMIME",
               ""},  // a mailing list's sender is its own
       }) {
    CAPTURE(row.dotfile, row.owner);
    gate.empty();
    home.file(".qmail-list", row.dotfile);
    if (*row.owner != 0) home.file(".qmail-list-owner", "#\n");
    const Outcome outcome = home.deliver(call);
    CAPTURE(outcome.out, outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out.ends_with(passed_on) == row.passed);
    const std::vector<Queued> queued = gate.queued();
    REQUIRE(queued.size() == 1);
    CHECK(queued[0].envelope.params == row.message_params);
    for (const Recipient& recipient : queued[0].envelope.recipients)
      CHECK(recipient.params == row.recipient_params);
  }
}

TEST_CASE("qmail-local: forwards that the queue does not take") {
  struct Row {
    const char* end;
    int code;
  };
  for (const Row& row : {Row{"exit 31", 100}, Row{"exit 53", 111}, Row{"exit 11", 100}, Row{"exit 71", 111},
                         Row{"exit 91", 111}}) {
    const LocalHome home;
    home.file(".qmail", "&a@b.example\n");
    const QueueProgram queue(row.end);
    const Outcome outcome = home.deliver({.env = {{"QMAILQUEUE", queue.path()}}});
    INFO(row.end);
    CHECK(outcome.code == row.code);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.starts_with("Unable to forward message: "));
  }
}

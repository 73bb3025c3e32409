// qmail-qmqpc as an executable, by qmail-queue's interface, against scripted servers and qmail-qmqpd.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/program/byte_server.h"
#include "tests/program/gate.h"
#include "tests/program/live_session.h"
#include "tests/program/qmtp_stage.h"
#include "tests/program/smtp_server.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

struct Queue {  // qmail-queue's interface
  std::string message = short_message;
  std::string envelope = "Fs@x\0Ta@b\0Tc@d\0\0"s;
  bool fd6 = false;
  bool file = false;  // fd 0 is a file that stands behind "secret"
};

struct QueueReport {
  int code;
  std::string text, err;
};

QueueReport qmqpc(const Queue& queue = {}) {
  ScratchDirectory scratch;
  const std::string message_path = scratch.write("message", "secret" + queue.message);
  const Fd message = open_file(message_path, O_RDONLY);
  lseek(message.get(), 6, SEEK_SET);
  const Fd envelope = open_file(scratch.write("envelope", queue.envelope), O_RDONLY);
  const Fd err = open_file(scratch.file("err"), O_WRONLY | O_CREAT, 0644);
  FdPair pipe = make_pipe(), text = make_pipe();
  Start start;
  start.args = {installed("qmail-qmqpc")};
  const auto nobody = passwd_user("nobody");
  start.uid = nobody->uid;
  start.gid = nobody->gid;
  start.fds = {{0, queue.file ? message.get() : pipe.first.get()}, {1, envelope.get()}, {2, err.get()}};
  if (queue.fd6) start.fds.emplace_back(6, text.second.get());
  signal(SIGPIPE, SIG_IGN);
  Process process(start);
  pipe.first.reset();
  text.second.reset();
  if (!queue.file) {
    try {
      write_all(pipe.second.get(), queue.message, "message");
    } catch (const std::exception&) {  // it did not want it
    }
  }
  pipe.second.reset();
  QueueReport result{process.wait(60), {}, {}};
  if (queue.fd6) result.text = read_until(text.first.get(), "\xff never", 2);
  result.err = slurp(scratch.file("err"));
  return result;
}

}  // namespace

TEST_CASE("qmqpc: a message as it stands, and the server's answer as qmail's exit codes", "[qmtp]") {
  const std::string package = qmqp(short_message, "s@x", {"a@b", "c@d"});
  struct Row {
    BytePlan plan;
    int code;
    std::string text;  // on fd 6, with code 82
  };
  const std::size_t size = package.size();
  const Row rows[] = {
      {{size, net("Kok 838640135 qp 1390")}, 0, ""},
      {{size, net("Dno (#5.7.1)")}, 31, "Dno (#5.7.1)"},
      {{size, net("Zlater (#4.3.0)")}, 71, "Zlater (#4.3.0)"},
      {{size, net("D" + std::string(1000, 'x'))}, 31, "D" + std::string(254, 'x')},
      {{size, ""}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
      {{size, "21:Kok 838"}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
      {{size, "Kok"}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
      {{size, "0:,"}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
      {{size, "1:X,"}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
      {{size, "99999999:"}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
      {{.octets = size, .reset = true}, 74, "Zqmqp communication failed, the message may be queued (#4.4.2)"},
  };
  for (const Row& row : rows)
    for (const bool file : {false, true}) {
      CAPTURE(row.plan.answer.substr(0, 30), file);
      const ByteServer server({row.plan});
      const ControlFiles controls(Controls{{"qmqpservers", server.name() + "\n"}});
      CHECK(qmqpc({.file = file}).code == row.code);
      CHECK(server.received() == Strings{package});
      if (row.code == 0) continue;
      const QueueReport told = qmqpc({.fd6 = true, .file = file});
      CHECK(told.code == 82);
      CHECK(told.text == row.text);
    }
}

TEST_CASE("qmqpc: servers in turn", "[qmtp]") {
  const std::string package = qmqp(short_message, "s@x", {"a@b", "c@d"});
  const ByteServer good({{package.size(), net("Kok")}}), six({{package.size(), net("Kok")}}, "::1");
  const DeafPort deaf("127.0.0.1");
  const std::string closed = "127.0.0.1:1";
  {
    const ControlFiles controls(Controls{
        {"qmqpservers", "# ours\nmail.example\n" + closed + "\n" + six.name() + "\n" + good.name() + "\n"}});
    const QueueReport done = qmqpc();
    CHECK(done.code == 0);
    CHECK(done.err ==
          "qmail-qmqpc: control/qmqpservers: not an address: mail.example\n"
          "qmail-qmqpc: connect to 127.0.0.1:1: Connection refused\n");
    CHECK(six.received().size() == 1);
    CHECK(good.received().empty());
  }
  {
    const ByteServer refuses({{package.size(), net("Zbusy")}});  // a connection was made: its answer is final
    const ControlFiles controls(Controls{{"qmqpservers", refuses.name() + "\n" + good.name() + "\n"}});
    CHECK(qmqpc().code == 71);
    CHECK(good.received().empty());
  }
  {
    const ControlFiles controls(Controls{{"qmqpservers", closed + "\n"}});
    CHECK(qmqpc().code == 73);
    CHECK(qmqpc({.fd6 = true}).text == "Zqmqp connection rejected (#4.4.1)");
  }
  {
    const ControlFiles controls(Controls{{"qmqpservers", "127.0.0.1:" + std::to_string(deaf.port()) + "\n"}});
    CHECK(qmqpc().code == 72);
  }
  {
    const ControlFiles controls(Controls{{"qmqpservers", "mail.example\n"}});
    CHECK(qmqpc().code == 55);
  }
  const ControlFiles controls;
  CHECK(qmqpc().code == 55);
}

TEST_CASE("qmqpc: a server that hangs up in the middle is left for the next", "[qmtp]") {
  const std::string large(20U << 20, 'm');
  const std::string package = qmqp(large, "s@x", {"a@b", "c@d"});
  const ByteServer bad({{.octets = 1000, .reset = true}}), good({{package.size(), net("Kok")}});
  const ControlFiles controls(Controls{{"qmqpservers", bad.name() + "\n" + good.name() + "\n"}});
  for (const bool file : {false, true}) CHECK(qmqpc({.message = large, .file = file}).code == 0);
  REQUIRE(good.received().size() == 2);
  CHECK((good.received()[0] == package && good.received()[1] == package));
}

TEST_CASE("qmqpc: envelopes, by qmail-queue's exit codes", "[qmtp]") {
  struct Row {
    std::string envelope;
    int code;
  };
  const Row rows[] = {
      {"", 54},
      {"Fs@x\0Ta@b\0"s, 54},
      {"Ta@b\0\0"s, 91},
      {"Fs@x\0Xa@b\0\0"s, 91},
      {"Fs@x\0T"s + std::string(1003, 'x') + "\0\0"s, 11},
  };
  const ByteServer server({{1U << 20, ""}});
  const ControlFiles controls(Controls{{"qmqpservers", server.name() + "\n"}});
  for (const Row& row : rows) CHECK(qmqpc({.envelope = row.envelope}).code == row.code);
  CHECK(server.received().empty());
}

TEST_CASE("qmqpc and qmqpd: from one queue's interface to the other's queue", "[qmtp]") {
  const RunningGate gate;
  for (const std::string& message : {""s, short_message, "a\r\nb\0\xff"s, std::string(3U << 20, 'x')}) {
    // through qmqpd on a socket that this test listens on
    const std::string package = qmqp(message, "s@x", {"a@b"});
    const ByteServer listener({{package.size(), net("Kok")}});
    set_control("qmqpservers", listener.name() + "\n");
    CHECK(qmqpc({.message = message, .envelope = "Fs@x\0Ta@b\0\0"s}).code == 0);
    gate.empty();
    CHECK(responses(run({{installed("qmail-qmqpd")}, from_outside}, listener.received().at(0)).out) ==
          Strings{"K"});
    CHECK(gate.queued().at(0).body == message);
  }
  set_control("qmqpservers", "");
}

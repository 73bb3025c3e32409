// qmail-smtpd as an executable, before the real gate and before gates that do not do their work.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <functional>

#include "lib/base/clock.h"
#include "lib/base/process.h"
#include "lib/net/gate.h"
#include "tests/catch.h"
#include "tests/program/smtpd_stage.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("smtpd: through the real gate", "[smtpd][gate]") {
  const MxControls controls;
  const RunningGate gate;
  const Outcome done =
      smtp(hello +
           "MAIL FROM:<s@there.example> ret=full BODY=8BITMIME ENVID=QQ314159\r\n"
           "RCPT TO:<r@here.example> ORCPT=rfc822;Bob@example.com NOTIFY=success,delay\r\nDATA\r\n"
           "Subject: \xe3\x81\x82\r\n\r\nbody\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<q@here.example>\r\nBDAT 3 "
           "LAST\r\nx\r\nQUIT\r\n");
  CAPTURE(done.out, done.err);
  CHECK(codes(done.out) == "220 250 250 250 354 250 250 250 250 221");
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 2);
  CHECK(queued[0].envelope.sender == "s@there.example");
  CHECK(queued[0].envelope.params == "BODY=8BITMIME RET=FULL ENVID=QQ314159");
  CHECK(queued[0].envelope.recipients[0].params == "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.com");
  CHECK(queued[0].recipients() == std::vector<std::string>{"r@here.example"});
  CHECK(queued[0].body == "Subject: \xe3\x81\x82\n\nbody\n");
  CHECK(has(queued[0].text,
            "Received: from out.example (HELO c.example) (192.0.2.7)\n  by mx.example with ESMTP"));
  CHECK(queued[1].envelope.sender.empty());
  CHECK(queued[1].body == "x\n");
  CHECK(has(done.err, "trace " + queued[0].header.trace));
  CHECK(has(done.out, "qp "));
}

TEST_CASE("smtpd: a submission over the real gate, SMTPUTF8, and $DATABYTES above its databytes",
          "[smtpd][gate]") {
  const MxControls controls(Controls{{"databytes", "50\n"}});
  const RunningGate gate(Controls{{"databytes", "50\n"}});
  const std::string text = "Subject: x\r\n\r\n" + std::string(500, 'b') + "\r\n";
  const Outcome done =
      smtp("EHLO c\r\nMAIL FROM:<\xc3\xbc@there.example> SMTPUTF8\r\nRCPT TO:<r@far.example>\r\nDATA\r\n" +
               text + ".\r\nQUIT\r\n",
           with(from_outside, {{"RELAYCLIENT", ""}, {"DATABYTES", "1000"}}));
  CAPTURE(done.out, done.err);
  REQUIRE(gate.queued().size() == 1);
  const Queued one = gate.queued()[0];
  CHECK(has(one.text, "with UTF8SMTP"));
  CHECK(one.envelope.params == "SMTPUTF8");
  CHECK(one.envelope.sender == "\xc3\xbc@there.example");
}

namespace {

// Listens at the gate's place and does what a test wants instead of the gate's work.
class FakeGate {
 public:
  explicit FakeGate(std::function<void(int)> serve) {
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    gate_path().copy(address.sun_path, sizeof address.sun_path - 1);
    unlink(gate_path().c_str());
    REQUIRE(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(chmod(gate_path().c_str(), 0666) == 0);
    REQUIRE(listen(listener_.get(), 5) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      signal(SIGPIPE, SIG_IGN);
      for (;;) {
        const Fd client(accept(listener_.get(), nullptr, nullptr));
        serve(client.get());
      }
    }
  }
  ~FakeGate() {
    kill(pid_, SIGKILL);
    wait_for_child(pid_);
    unlink(gate_path().c_str());
  }
  FakeGate(const FakeGate&) = delete;
  FakeGate& operator=(const FakeGate&) = delete;

 private:
  Fd listener_;
  pid_t pid_;
};

void answer(int fd, char type, const OriginFields& fields) {
  std::string out;
  append_record(out, type, encode_fields(fields));
  [[maybe_unused]] const ssize_t n = write(fd, out.data(), out.size());
}

void swallow(int fd, std::size_t octets) {
  char space[65536];
  for (ssize_t n; octets > 0 && (n = read(fd, space, sizeof space)) > 0;)
    octets -= std::min(octets, static_cast<std::size_t>(n));
}

}  // namespace

TEST_CASE("smtpd: a gate that is not there, full, silent, breaking off or refusing", "[smtpd][gate]") {
  const MxControls controls;
  const std::string one = "HELO c\r\n" + letter + "DATA\r\n";
  const std::string text = "Subject: x\r\n\r\n" + std::string(200000, 'x') + "\r\n.\r\n";
  SECTION("not there: 451 after five seconds, before the text is asked for") {
    unlink(gate_path().c_str());
    const std::int64_t begin = now_seconds();
    CHECK(codes(smtp(one + "QUIT\r\n").out) == "220 250 250 250 451 221");
    CHECK(now_seconds() - begin >= 4);
    CHECK(now_seconds() - begin <= 8);
  }
  SECTION("full") {
    const FakeGate gate([](int fd) { answer(fd, gate_format::result, {{"code", "71"}}); });
    CHECK(codes(smtp(one + "QUIT\r\n").out) == "220 250 250 250 451 221");
  }
  SECTION("silent: stopped, say") {
    const FakeGate gate([](int) { sleep(60); });
    const std::int64_t begin = now_seconds();
    CHECK(codes(smtp(one + "QUIT\r\n").out) == "220 250 250 250 451 221");
    CHECK(now_seconds() - begin <= 8);
  }
  SECTION("stopped, with its backlog full") {
    const FakeGate gate([](int) { sleep(60); });
    std::vector<Fd> waiting;
    for (int i = 0; i < 50; ++i) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      gate_path().copy(address.sun_path, sizeof address.sun_path - 1);
      waiting.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (connect(waiting.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) break;
    }
    REQUIRE(waiting.size() < 50);
    const std::int64_t begin = now_seconds();
    CHECK(codes(smtp(one + "QUIT\r\n").out) == "220 250 250 250 451 221");
    CHECK(now_seconds() - begin <= 8);
  }
  SECTION("breaking off in the text") {
    const FakeGate gate([](int fd) {
      answer(fd, gate_format::admission, {{"me", "x"}});
      swallow(fd, 40000);
    });
    CHECK(codes(smtp(one + text + "NOOP\r\nQUIT\r\n").out) == "220 250 250 250 354 451 250 221");
  }
  SECTION("refusing in the text") {
    const FakeGate gate([](int fd) {
      answer(fd, gate_format::admission, {{"me", "x"}});
      swallow(fd, 40000);
      answer(fd, gate_format::result,
             {{"code", "82"}, {"text", "D552 sorry, that message size exceeds my databytes limit (#5.3.4)"}});
    });
    CHECK(has(smtp("EHLO c\r\n" + letter + "DATA\r\n" + text + "QUIT\r\n").out,
              "\r\n552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n"));
  }
  SECTION("gone after the commit: the outcome is not known, so the client tries again") {
    const FakeGate gate([](int fd) {
      answer(fd, gate_format::admission, {{"me", "x"}});
      swallow(fd, 200000);
      usleep(300000);
    });
    CHECK(codes(smtp(one + text + "QUIT\r\n").out) == "220 250 250 250 354 451 221");
  }
  SECTION("a virus, say, with BDAT") {
    const FakeGate gate([](int fd) {
      answer(fd, gate_format::admission, {{"me", "x"}});
      swallow(fd, 10);
      answer(fd, gate_format::result, {{"code", "82"}, {"text", "Dthis message has a virus (#5.7.1)"}});
      usleep(300000);
    });
    CHECK(has(smtp(hello + letter + "BDAT 3 LAST\r\nx\r\nQUIT\r\n").out,
              "\r\n554 5.7.1 this message has a virus (#5.7.1)\r\n221"));
  }
}

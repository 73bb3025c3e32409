// qmail-smtpd as an executable: messages on their way through it, and what it lets into the queue.
#include <sys/stat.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "lib/base/conf.h"
#include "tests/catch.h"
#include "tests/program/smtpd_stage.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("smtpd: a message goes through $QMAILQUEUE by qmail-queue's interface", "[smtpd]") {
  const MxControls controls;
  const QueueProgram program;
  const Outcome done =
      smtp(hello +
               "MAIL FROM:<\"s p\"@there.example>\r\nRCPT TO:<r@here.example>\r\nRCPT TO:<q@here.example>\r\n"
               "DATA\r\nSubject: x\r\n\r\n..two\r\n.one\r\nlast\r\n.\r\nQUIT\r\n",
           with(into(program), {{"TCPREMOTEINFO", "who"}, {"EXTRA", "kept"}}));
  CAPTURE(done.out, done.err);
  CHECK(codes(done.out) == "220 250 250 250 250 354 250 221");
  const std::size_t at = done.out.find("250 2.0.0 ok ");  // 250 ok TIME qp PID
  REQUIRE(at != std::string::npos);
  char rest[20];
  long time = 0, qp = 0;
  CHECK(sscanf(done.out.c_str() + at, "250 2.0.0 ok %ld qp %ld%19s", &time, &qp, rest) == 3);
  CHECK(std::labs(time - ::time(nullptr)) < 60);
  CHECK(qp > 1);
  CHECK(program.envelope() == "Fs p@there.example|Tr@here.example|Tq@here.example||");
  CHECK(body_in(program) == "Subject: x\n\n.two\none\nlast\n");
  CHECK(program.message().starts_with(
      "Received: from out.example (HELO c.example) (who@192.0.2.7)\n  by mx.example with ESMTP id "));
  CHECK(program.user() == std::string(conf::user_qmaild) + "\n");
  for (const char* kept : {"EXTRA=kept\n", "TCPREMOTEIP=192.0.2.7\n", "QMAILQUEUE="})
    CHECK(has(program.environment(), kept));
  CHECK(
      has(done.err, "accepted a message from <s p@there.example> for 2, bytes 26, qp " + std::to_string(qp)));
}

TEST_CASE("smtpd: what becomes of the exit codes of a queue program", "[smtpd]") {
  const MxControls controls;
  struct Row {
    const char* end;
    const char* reply;
  };
  const Row rows[] = {
      {"exit 0", "250 ok "},
      {"exit 11", "554 envelope address too long for qq (#5.1.3)"},
      {"exit 31", "554 mail server permanently rejected message (#5.3.0)"},
      {"exit 51", "451 qq out of memory (#4.3.0)"},
      {"exit 53", "451 qq write error or disk full (#4.3.0)"},
      {"exit 71", "451 "},
      {"exit 91", "451 "},
      {"exit 40", "554 "},
      {"exit 1", "451 "},
      {"kill -9 $$", "451 "},
      {"printf 'Dno such thing (#5.7.9)' >&6; exit 82", "554 no such thing (#5.7.9)\r\n"},
      {"printf 'Zlater' >&6; exit 82", "451 later\r\n"},
      {"printf 'D552 too big (#5.3.4)' >&6; exit 82", "552 too big (#5.3.4)\r\n"},
      {"printf 'bad' >&6; exit 82", "451 bad\r\n"},
      {"exit 82", "451 "},
      {"sleep 30 >/dev/null 2>&1 & exit 31", "554 "},  // a descendant that holds fd 6 open
      {"yes D 2>/dev/null | head -c 100000 >&6 & exit 82", "451 "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.end);
    const QueueProgram program(row.end);
    const Outcome done = smtp("HELO c\r\n" + letter + "DATA\r\na\r\n.\r\nNOOP\r\nQUIT\r\n", into(program));
    const std::size_t at = done.out.find("354 go ahead\r\n");
    REQUIRE(at != std::string::npos);
    if (std::string(row.end).find("yes") == std::string::npos)
      CHECK(done.out.substr(at + 14, std::string(row.reply).size()) == row.reply);
    CHECK(done.out.ends_with("250 ok\r\n221 mx.example\r\n"));
  }
  Env missing = with(from_outside, {{"QMAILQUEUE", "/nonexistent/program"}});
  CHECK(
      has(smtp("HELO c\r\n" + letter + "DATA\r\na\r\n.\r\nQUIT\r\n", missing).out, "451 unable to exec qq"));
}

TEST_CASE("smtpd: a queue program that does not read all, and two messages one after the other", "[smtpd]") {
  const MxControls controls;
  ScratchDirectory scratch;
  const std::string path = scratch.write("program", "#!/bin/sh\nexit 31\n");
  chmod(path.c_str(), 0755);
  const std::string big(3000000, 'x');
  const Outcome done =
      smtp("HELO c\r\n" + letter + "DATA\r\n" + big + "\r\n.\r\n" + letter + "DATA\r\na\r\n.\r\nQUIT\r\n",
           with(from_outside, {{"QMAILQUEUE", path}}));
  CHECK(codes(done.out) == "220 250 250 250 354 554 250 250 354 554 221");
}

TEST_CASE("smtpd: nothing is queued when the client goes away half-way", "[smtpd]") {
  const MxControls controls;
  const std::string whole = "HELO c\r\n" + letter + "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";
  for (const std::size_t cut :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{5}, std::size_t{12}, std::size_t{30}}) {
    CAPTURE(cut);
    const QueueProgram program;
    const Outcome done = smtp(whole.substr(0, whole.size() - cut), into(program));
    CHECK(done.code == 1);
    CHECK(program.envelope().empty());
    CHECK_FALSE(has(done.out, "250 ok 1"));
  }
}

TEST_CASE("smtpd: smuggling: no end of data but CR LF . CR LF, and nothing of it is queued", "[smtpd]") {
  const MxControls controls;
  const std::string smuggled =
      "MAIL FROM:<evil@there.example>\r\nRCPT TO:<r@here.example>\r\nDATA\r\nevil\r\n.\r\n";
  for (const char* end : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r",
                          "\r\r\n.\r\r\n", "\n\n.\r\n"}) {
    CAPTURE(end);
    const QueueProgram program;
    const Outcome done =
        smtp(hello + letter + "DATA\r\nSubject: a\r\n\r\nbody" + end + smuggled + "NOOP\r\nQUIT\r\n",
             into(program));
    // One refusal for all of it, and the dialogue is in step afterwards.
    CHECK(codes(done.out) == "220 250 250 250 354 554 250 221");
    CHECK(has(done.out, "554 5.6.0 this message has a CR or LF alone"));
    CHECK(program.envelope().empty());
  }
  // A NUL between CR LF and the dot is text, as is a dot with a blank.
  for (const std::string& text : {std::string("a\r\n\0.\r\n", 7), std::string("a\r\n. \r\n")}) {
    const QueueProgram program;
    CHECK(codes(smtp(hello + letter + "DATA\r\n" + text + ".\r\nQUIT\r\n", into(program)).out) ==
          "220 250 250 250 354 250 221");
  }
}

TEST_CASE("smtpd: a client that ends its data wrongly and waits is refused and let go", "[smtpd]") {
  const MxControls controls;
  const QueueProgram program;
  const char* ends[] = {"\n.\n", "\n.\r\n", "\r\n.\n"};
  std::vector<std::unique_ptr<LiveSession>> clients;
  for (const char* end : ends) {
    clients.push_back(std::make_unique<LiveSession>("qmail-smtpd", into(program)));
    clients.back()->until("ESMTP\r\n");
    clients.back()->send(hello + letter + "DATA\r\n");
    clients.back()->until("354 go ahead\r\n");
    clients.back()->send(std::string("one\n") + end);
  }
  for (const auto& live : clients) {
    CHECK(has(live->until("554 5.6.0"), "554 5.6.0"));
    live->close();
    CHECK(live->process().wait() == 1);
  }
  CHECK(program.envelope().empty());
}

TEST_CASE("smtpd: BDAT (RFC 3030)", "[smtpd]") {
  const MxControls controls(Controls{{"databytes", "100\n"}});
  struct Row {
    std::string input, codes, body;  // body: of the message queued; "-": none
  };
  const std::string hundred(100, 'x'), fifty(50, 'x');
  const Row rows[] = {
      {letter + "BDAT 10 LAST\r\na\r\n..\r\nb\r\n", "250", "a\n..\nb\n"},
      {letter + "BDAT 3\r\na\r\nBDAT 4 LAST\r\nb\r\n.", "250 250", "a\nb\n."},
      {letter + "BDAT 2\r\na\rBDAT 2 LAST\r\n\nb", "250 250", "a\nb"},
      {letter + "BDAT 1\r\naBDAT 0 LAST\r\n", "250 250", "a"},
      {letter + "BDAT 0 LAST\r\n", "250", ""},
      {letter + "BDAT 3 LAST\r\na\nb", "554", "-"},
      {letter + "BDAT 2 LAST\r\na\r", "554", "-"},
      {letter + "BDAT 2\r\na\nBDAT 3 LAST\r\nb\r\n", "554 503", "-"},
      {letter + "BDAT 100 LAST\r\n" + hundred, "250", hundred},
      {letter + "BDAT 101 LAST\r\n" + hundred + "x", "552", "-"},
      {letter + "BDAT 50\r\n" + fifty + "BDAT 51 LAST\r\n" + fifty + "x", "250 552", "-"},
      {letter + "BDAT 101\r\n" + hundred + "xBDAT 1 LAST\r\nx", "552 503", "-"},
      {letter + "BDAT 1\r\naDATA\r\n", "250 503", "-"},
      {letter + "BDAT 1\r\naRCPT TO:<q@here.example>\r\n", "250 503", "-"},
      {letter + "BDAT 1\r\naMAIL FROM:<q@here.example>\r\n", "250 503", "-"},
      {letter + "BDAT 1\r\naRSET\r\nBDAT 1 LAST\r\nb", "250 250 503", "-"},
      {letter + "BDAT 1\r\naNOOP\r\nBDAT 1 LAST\r\nb", "250 250 250", "ab"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.input);
    const QueueProgram program;
    const Outcome done = smtp(hello + row.input + "QUIT\r\n", into(program));
    CHECK(codes(done.out) == "220 250 250 250 " + row.codes + " 221");
    CHECK(program.envelope().empty() == (row.body == "-"));
    if (row.body != "-") CHECK(body_in(program) == row.body);
  }
  // A size that cannot be understood ends the session: what follows must not be read as commands.
  for (const char* bad : {"BDAT", "BDAT x", "BDAT -1 LAST", "BDAT 1 FIRST"}) {
    const Outcome done = smtp(hello + letter + bad + "\r\nNOOP\r\nQUIT\r\n", into(QueueProgram()));
    CHECK(codes(done.out) == "220 250 250 250 501");
    CHECK(done.code == 1);
  }
}

TEST_CASE("smtpd: databytes to the byte, by control file and by $DATABYTES; a SIZE that lies", "[smtpd]") {
  const MxControls controls(Controls{{"databytes", "100\n"}});
  const auto send = [](std::size_t bytes, const Env& more, const std::string& size = "") {
    const QueueProgram program;
    const std::string text =
        std::string(9, 'h') + "\r\n" + std::string(bytes - 11, 'b') + "\r\n";  // queued: LF
    const Outcome done = smtp("EHLO c\r\nMAIL FROM:<a@b>" + size +
                                  "\r\nRCPT TO:<r@here.example>\r\nDATA\r\n" + text + ".\r\nNOOP\r\nQUIT\r\n",
                              with(into(program), more));
    if (has(done.out, "\r\n552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n")) return 552;
    if (body_in(program).size() == bytes && has(done.out, " qp ")) return 250;
    return 0;
  };
  CHECK(send(100, {}) == 250);
  CHECK(send(101, {}) == 552);
  CHECK(send(101, {}, " SIZE=50") == 552);
  CHECK(send(5000000, {}) == 552);
  CHECK(send(120, {{"DATABYTES", "120"}}) == 250);
  CHECK(send(121, {{"DATABYTES", "120"}}) == 552);
  CHECK(send(5000, {{"DATABYTES", "0"}}) == 250);
  CHECK(send(50, {{"DATABYTES", "49"}}) == 552);
}

TEST_CASE("smtpd: hops", "[smtpd]") {
  const MxControls controls;
  const auto send = [](int received) {
    std::string text;
    for (int i = 0; i < received; ++i) text += i % 2 ? "Received: x\r\n" : "Delivered-To: y\r\n";
    return smtp("HELO c\r\n" + letter + "DATA\r\n" + text + "\r\nReceived: in the body\r\n.\r\nQUIT\r\n",
                into(QueueProgram()))
        .out;
  };
  CHECK(has(send(99), "250 ok 1"));
  CHECK(has(send(100), "554 too many hops, this message is looping (#5.4.6)\r\n"));
}

// qmail-smtpd, qmail-newmrh and tcp-env as real executables, driven through their descriptors.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/gate.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;

namespace {

using Env = std::map<std::string, std::string>;
const Env from_outside = {{"PROTO", "TCP"},
                          {"TCPREMOTEIP", "192.0.2.7"},
                          {"TCPREMOTEHOST", "out.example"},
                          {"TCPLOCALHOST", "mx.example"},
                          {"TCPLOCALIP", "192.0.2.1"}};

Env with(Env env, const Env& more) {
  for (const auto& [name, value] : more) env[name] = value;
  return env;
}

// Control files of one test; all of them are gone afterwards.
class Settings {
 public:
  explicit Settings(Controls files = {}) : files_(std::move(files)) {
    files_.emplace("me", "mx.example\n");
    files_.emplace("rcpthosts", "here.example\n");
    for (const auto& [name, text] : files_) set_control(name, text);
  }
  ~Settings() {
    for (const auto& [name, text] : files_) set_control(name, "");
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

 private:
  Controls files_;
};

Outcome smtp(const std::string& input, const Env& env = from_outside, int seconds = 30) {
  Start start;
  start.args = {installed("qmail-smtpd")};
  start.env = env;
  return run(start, input, seconds);
}

// The codes of all replies, one word each; "250-" lines of one reply count once.
std::string codes(const std::string& out) {
  std::string all;
  for (std::string_view rest = out; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.size() > 3 && line[3] == '-') continue;
    all += (all.empty() ? "" : " ") + std::string(line.substr(0, 3));
  }
  return all;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string hello = "EHLO c.example\r\n";
const std::string letter = "MAIL FROM:<s@there.example>\r\nRCPT TO:<r@here.example>\r\n";

// A program for $QMAILQUEUE that keeps what it gets: SCRATCH/message, SCRATCH/envelope, SCRATCH/environment.
class QueueProgram {
 public:
  explicit QueueProgram(const std::string& end = "exit 0") {
    chmod(scratch_.path().c_str(), 0777);
    path_ =
        scratch_.write("program", "#!/bin/sh\ncat >" + scratch_.file("message") + "\ncat <&1 >" +
                                      scratch_.file("envelope") + "\nenv >" + scratch_.file("environment") +
                                      "\nid -un >" + scratch_.file("user") + "\n" + end + "\n");
    chmod(path_.c_str(), 0755);
  }
  Env env() const { return with(from_outside, {{"QMAILQUEUE", path_}}); }
  std::string message() const { return slurp(scratch_.file("message")); }
  std::string body() const {  // behind qmail-smtpd's own Received field, which has two lines
    const std::string all = message();
    return all.substr(std::min(all.size(), all.find('\n', all.find('\n') + 1) + 1));
  }
  std::string envelope() const { return slurp(scratch_.file("envelope")); }
  std::string environment() const { return slurp(scratch_.file("environment")); }
  std::string user() const { return slurp(scratch_.file("user")); }

 private:
  ScratchDirectory scratch_;
  std::string path_;
};

// A session on a socket, as tcpserver gives it.
class Live {
 public:
  explicit Live(const Env& env = from_outside, bool log_is_client = false) {
    FdPair pair = make_socketpair(SOCK_STREAM);
    Start start;
    start.args = {installed("qmail-smtpd")};
    start.env = env;
    log_ = make_pipe();
    start.fds = {{0, pair.second.get()},
                 {1, pair.second.get()},
                 {2, log_is_client ? pair.second.get() : log_.second.get()}};
    process_ = std::make_unique<Process>(start);
    log_.second.reset();
    client_ = std::move(pair.first);
  }
  void send(const std::string& octets) const { write_all(client_.get(), octets, "session"); }
  std::string until(const std::string& text, int seconds = 15) const {
    return read_until(client_.get(), text, seconds);
  }
  std::string to_end(int seconds = 15) const { return read_until(client_.get(), "\xff\xfe never", seconds); }
  void close() { client_.reset(); }
  Process& process() { return *process_; }
  std::string log() const { return read_until(log_.first.get(), "\xff\xfe never", 5); }
  std::string status(const std::string& name) const {
    const std::string all = slurp("/proc/" + std::to_string(process_->pid()) + "/status");
    const std::size_t at = all.find("\n" + name + ":\t");
    return at == std::string::npos
               ? ""
               : all.substr(at + name.size() + 3, all.find('\n', at + 1) - at - name.size() - 3);
  }
  long peak_kib() const { return atol(status("VmHWM").c_str()); }

 private:
  Fd client_;
  FdPair log_;
  std::unique_ptr<Process> process_;
};

std::string nul(std::string text) {  // "|" stands for NUL
  for (char& c : text)
    if (c == '|') c = '\0';
  return text;
}

}  // namespace

TEST_CASE("smtpd: greeting and the replies of a HELO session are qmail's", "[smtpd]") {
  const Settings settings(Controls{{"smtpgreeting", "mx.example hello there\n"}});
  const Outcome done = smtp(
      "HELO c.example\r\nNOOP\r\nVRFY x\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<r@far.example>\r\n"
      "RCPT TO:<r@here.example>\r\nFOO\r\nHELP\r\nQUIT\r\n");
  CHECK(done.out ==
        "220 mx.example hello there ESMTP\r\n250 mx.example hello there\r\n250 ok\r\n"
        "252 send some mail, i'll try my best\r\n250 flushed\r\n250 ok\r\n"
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n250 ok\r\n"
        "502 unimplemented (#5.5.1)\r\n"
        "214 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; see qmail-smtpd(8)\r\n"
        "221 mx.example hello there\r\n");
  CHECK(done.code == 0);
}

TEST_CASE("smtpd: EHLO offers what there is, and replies carry enhanced codes then", "[smtpd]") {
  const Settings settings(Controls{{"databytes", "20971520\n"}});
  const Outcome done =
      smtp("EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<r@here.example>\r\nFOO\r\nHELO c\r\nNOOP\r\nQUIT\r\n");
  CHECK(done.out ==
        "220 mx.example ESMTP\r\n250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 20971520\r\n"
        "250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250 LIMITS RCPTMAX=1000\r\n"
        "250 2.1.0 ok\r\n250 2.1.5 ok\r\n502 5.5.1 unimplemented (#5.5.1)\r\n250 mx.example\r\n250 ok\r\n"
        "221 mx.example\r\n");
}

TEST_CASE("smtpd: order of commands (RFC 5321 4.1.4)", "[smtpd]") {
  const Settings settings;
  struct Row {
    std::string input, codes;
  };
  const Row rows[] = {
      {"MAIL FROM:<a@b>\r\n", "503"},
      {hello + "RCPT TO:<r@here.example>\r\n", "250 503"},
      {hello + "DATA\r\n", "250 503"},
      {hello + "BDAT 3 LAST\r\na\r\nNOOP\r\n", "250 503 250"},
      {hello + "MAIL FROM:<a@b>\r\nDATA\r\n", "250 250 503"},
      {hello + "MAIL FROM:<a@b>\r\nBDAT 3 LAST\r\na\r\nNOOP\r\n", "250 250 503 250"},
      {hello + "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "250 250 503"},
      {hello + "MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\n", "250 250 250 250"},
      {hello + "MAIL FROM:<a@b>\r\nEHLO again\r\nRCPT TO:<r@here.example>\r\n", "250 250 250 503"},
      {hello + letter + "HELO again\r\nDATA\r\n", "250 250 250 250 503"},
      {hello + letter + "RSET\r\nDATA\r\n", "250 250 250 250 503"},
      {"NOOP\r\nRSET\r\nVRFY x\r\nHELP\r\n", "250 250 252 214"},
      {"HELO\r\nEHLO \r\n", "501 501"},
      {hello + "RSET x\r\nDATA x\r\nQUIT x\r\n", "250 501 501 501"},
      {hello + "STARTTLS\r\nAUTH PLAIN\r\nEXPN x\r\nETRN x\r\n\r\n", "250 502 502 502 502 502"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.input);
    const Outcome done = smtp(row.input + "QUIT\r\n");
    CHECK(codes(done.out) == "220 " + row.codes + " 221");
  }
  set_control("smtplimits", "helo: 0\n");
  CHECK(codes(smtp("MAIL FROM:<a@b>\r\nQUIT\r\n").out) == "220 250 221");
  set_control("smtplimits", "");
}

TEST_CASE("smtpd: addresses and parameters", "[smtpd]") {
  const Settings settings(Controls{{"databytes", "1000\n"}});
  struct Row {
    const char* line;
    const char* reply;  // its start
  };
  const Row mails[] = {
      {"MAIL FROM:<>", "250 2.1.0"},
      {"mail from: <a@b>", "250 2.1.0"},
      {"MAIL FROM:a@b", "250 2.1.0"},
      {"MAIL FROM:<@x,@y:a@b>", "250 2.1.0"},
      {"MAIL FROM:<\"a b\"@c>", "250 2.1.0"},
      {"MAIL FROM:<a..b@docomo.ne.jp>", "250 2.1.0"},
      {"MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME SMTPUTF8", "250 2.1.0"},
      {"MAIL FROM:<a@b> SIZE=1001", "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n"},
      {"MAIL FROM:<a@b> SIZE=99999999999999999999", "552"},
      {"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"},
      {"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"},
      {"MAIL FROM:<a@b> RET=FULL ENVID=QQ+20314", "250 2.1.0"},
      {"MAIL FROM:<a@b> RET=BODY", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+0Ab", "501 5.5.4"},
      {"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4"},
      {"MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"},
      {"MAIL FROM:<#@[]>", "501 5.1.7"},  // it is the null sender in disguise
      {"MAIL FROM:<\xc3\xbc@b>", "553 5.6.7"},
      {"MAIL FROM:<\xc3\xbc@b> SMTPUTF8", "250 2.1.0"},
      {"MAIL FROM:<\xff@b> SMTPUTF8", "553 5.6.7"},
      {"MAIL FROM:", "501 5.1.7"},
      {"MAIL", "501 5.1.7"},
      {"MAIL TO:<a@b>", "501"},
      {"MAIL FROM:<a@b", "501"},
      {"MAIL FROM:<a\x01@b>", "500 5.5.2"},
  };
  for (const Row& row : mails) {
    CAPTURE(row.line);
    const Outcome done = smtp(hello + row.line + "\r\nQUIT\r\n");
    const std::size_t at = done.out.find("RCPTMAX=1000\r\n") + 14;
    CHECK(done.out.substr(at, std::string(row.reply).size()) == row.reply);
  }
  const Row recipients[] = {
      {"RCPT TO:<r@here.example>", "250 2.1.5"},
      {"RCPT TO:<r@HERE.example.>", "250 2.1.5"},
      {"RCPT TO:<postmaster>", "250 2.1.5"},
      {"RCPT TO:<r@far.example>",
       "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n"},
      {"RCPT TO:<@here.example:r@far.example>", "553 sorry"},
      {"RCPT TO:<>", "501 5.1.3"},
      {"RCPT TO:", "501 5.1.3"},
      {"RCPT TO:<r@here.example> NOTIFY=NEVER", "250 2.1.5"},
      {"RCPT TO:<r@here.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.com", "250 2.1.5"},
      {"RCPT TO:<r@here.example> NOTIFY=NEVER,DELAY", "501 5.5.4"},
      {"RCPT TO:<r@here.example> ORCPT=Bob@example.com", "501 5.5.4"},
      {"RCPT TO:<r@here.example> ORCPT=utf-8;\xc3\xbc@x", "501 5.5.4"},
      {"RCPT TO:<r@here.example> RET=FULL", "555 5.5.4"},
      {"RCPT TO:<\xc3\xbc@here.example>", "553 5.6.7"},
  };
  for (const Row& row : recipients) {
    CAPTURE(row.line);
    const Outcome done = smtp(hello + "MAIL FROM:<>\r\n" + row.line + "\r\nQUIT\r\n");
    const std::size_t at = done.out.find("250 2.1.0 ok\r\n") + 14;
    CHECK(done.out.substr(at, std::string(row.reply).size()) == row.reply);
  }
  const std::string longest(880, 'x');
  CHECK(has(smtp(hello + "MAIL FROM:<" + longest + "@b>\r\nQUIT\r\n").out, "250 2.1.0"));
  CHECK(has(smtp(hello + "MAIL FROM:<" + longest + longest + "@b>\r\nQUIT\r\n").out, "501 5.1.3"));
}

TEST_CASE("smtpd: a message goes through $QMAILQUEUE by qmail-queue's interface", "[smtpd]") {
  const Settings settings;
  const QueueProgram program;
  const Outcome done =
      smtp(hello +
               "MAIL FROM:<\"s p\"@there.example>\r\nRCPT TO:<r@here.example>\r\nRCPT TO:<q@here.example>\r\n"
               "DATA\r\nSubject: x\r\n\r\n..two\r\n.one\r\nlast\r\n.\r\nQUIT\r\n",
           with(program.env(), {{"TCPREMOTEINFO", "who"}, {"EXTRA", "kept"}}));
  CAPTURE(done.out, done.err);
  CHECK(codes(done.out) == "220 250 250 250 250 354 250 221");
  const std::size_t at = done.out.find("250 2.0.0 ok ");  // 250 ok TIME qp PID
  REQUIRE(at != std::string::npos);
  char rest[20];
  long time = 0, qp = 0;
  CHECK(sscanf(done.out.c_str() + at, "250 2.0.0 ok %ld qp %ld%19s", &time, &qp, rest) == 3);
  CHECK(std::labs(time - ::time(nullptr)) < 60);
  CHECK(qp > 1);
  CHECK(program.envelope() == nul("Fs p@there.example|Tr@here.example|Tq@here.example||"));
  CHECK(program.body() == "Subject: x\n\n.two\none\nlast\n");
  CHECK(program.message().starts_with(
      "Received: from out.example (HELO c.example) (who@192.0.2.7)\n  by mx.example with ESMTP id "));
  CHECK(program.user() == std::string(conf::user_qmaild) + "\n");
  for (const char* kept : {"EXTRA=kept\n", "TCPREMOTEIP=192.0.2.7\n", "QMAILQUEUE="})
    CHECK(has(program.environment(), kept));
  CHECK(
      has(done.err, "accepted a message from <s p@there.example> for 2, bytes 26, qp " + std::to_string(qp)));
}

TEST_CASE("smtpd: what becomes of the exit codes of a queue program", "[smtpd]") {
  const Settings settings;
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
    const Outcome done = smtp("HELO c\r\n" + letter + "DATA\r\na\r\n.\r\nNOOP\r\nQUIT\r\n", program.env());
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
  const Settings settings;
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
  const Settings settings;
  const std::string whole = "HELO c\r\n" + letter + "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";
  for (const std::size_t cut :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{5}, std::size_t{12}, std::size_t{30}}) {
    CAPTURE(cut);
    const QueueProgram program;
    const Outcome done = smtp(whole.substr(0, whole.size() - cut), program.env());
    CHECK(done.code == 1);
    CHECK(program.envelope().empty());
    CHECK_FALSE(has(done.out, "250 ok 1"));
  }
}

TEST_CASE("smtpd: smuggling: no end of data but CR LF . CR LF, and nothing of it is queued", "[smtpd]") {
  const Settings settings;
  const std::string smuggled =
      "MAIL FROM:<evil@there.example>\r\nRCPT TO:<r@here.example>\r\nDATA\r\nevil\r\n.\r\n";
  for (const char* end : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r",
                          "\r\r\n.\r\r\n", "\n\n.\r\n"}) {
    CAPTURE(end);
    const QueueProgram program;
    const Outcome done =
        smtp(hello + letter + "DATA\r\nSubject: a\r\n\r\nbody" + end + smuggled + "NOOP\r\nQUIT\r\n",
             program.env());
    // One refusal for all of it, and the dialogue is in step afterwards.
    CHECK(codes(done.out) == "220 250 250 250 354 554 250 221");
    CHECK(has(done.out, "554 5.6.0 this message has a CR or LF alone"));
    CHECK(program.envelope().empty());
  }
  // A NUL between CR LF and the dot is text, as is a dot with a blank.
  for (const std::string& text : {std::string("a\r\n\0.\r\n", 7), std::string("a\r\n. \r\n")}) {
    const QueueProgram program;
    CHECK(codes(smtp(hello + letter + "DATA\r\n" + text + ".\r\nQUIT\r\n", program.env()).out) ==
          "220 250 250 250 354 250 221");
  }
}

TEST_CASE("smtpd: a client that ends its data wrongly and waits is refused and let go", "[smtpd]") {
  const Settings settings;
  const QueueProgram program;
  const char* ends[] = {"\n.\n", "\n.\r\n", "\r\n.\n"};
  std::vector<std::unique_ptr<Live>> clients;
  for (const char* end : ends) {
    clients.push_back(std::make_unique<Live>(program.env()));
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

TEST_CASE("smtpd: command lines end with CR LF only, and the dialogue stays in step", "[smtpd]") {
  const Settings settings;
  CHECK(codes(smtp("HELO c\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
  CHECK(codes(smtp("HELO\rc\r\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
  CHECK(codes(smtp("NOOP\r\r\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
  CHECK(codes(smtp(std::string("NOOP \0x\r\nNOOP\r\nQUIT\r\n", 21)).out) == "220 500 250 221");
}

TEST_CASE("smtpd: pipelining: one piece in, one reply for each command, in order (RFC 2920)", "[smtpd]") {
  const Settings settings;
  const QueueProgram program;
  std::string input = hello;
  for (int i = 0; i < 3; ++i)
    input += "MAIL FROM:<a" + std::to_string(i) +
             "@b>\r\nRCPT TO:<r@far.example>\r\nRCPT TO:<r@here.example>\r\nDATA\r\nx\r\n.\r\n";
  CHECK(codes(smtp(input + "QUIT\r\n", program.env()).out) ==
        "220 250 250 553 250 354 250 250 553 250 354 250 250 553 250 354 250 221");
  // 2920 3.1: text that comes although DATA was refused is answered as commands, never queued
  CHECK(codes(smtp(hello + "MAIL FROM:<a@b>\r\nRCPT TO:<r@far.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
                   program.env())
                  .out) == "220 250 250 553 503 502 502 221");
}

TEST_CASE("smtpd: BDAT (RFC 3030)", "[smtpd]") {
  const Settings settings(Controls{{"databytes", "100\n"}});
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
    const Outcome done = smtp(hello + row.input + "QUIT\r\n", program.env());
    CHECK(codes(done.out) == "220 250 250 250 " + row.codes + " 221");
    CHECK(program.envelope().empty() == (row.body == "-"));
    if (row.body != "-") CHECK(program.body() == row.body);
  }
  // A size that cannot be understood ends the session: what follows must not be read as commands.
  for (const char* bad : {"BDAT", "BDAT x", "BDAT -1 LAST", "BDAT 1 FIRST"}) {
    const Outcome done = smtp(hello + letter + bad + "\r\nNOOP\r\nQUIT\r\n", QueueProgram().env());
    CHECK(codes(done.out) == "220 250 250 250 501");
    CHECK(done.code == 1);
  }
}

TEST_CASE("smtpd: databytes to the byte, by control file and by $DATABYTES; a SIZE that lies", "[smtpd]") {
  const Settings settings(Controls{{"databytes", "100\n"}});
  const auto send = [](std::size_t bytes, const Env& more, const std::string& size = "") {
    const QueueProgram program;
    const std::string text =
        std::string(9, 'h') + "\r\n" + std::string(bytes - 11, 'b') + "\r\n";  // queued: LF
    const Outcome done = smtp("EHLO c\r\nMAIL FROM:<a@b>" + size +
                                  "\r\nRCPT TO:<r@here.example>\r\nDATA\r\n" + text + ".\r\nNOOP\r\nQUIT\r\n",
                              with(program.env(), more));
    if (has(done.out, "\r\n552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n")) return 552;
    if (program.body().size() == bytes && has(done.out, " qp ")) return 250;
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
  const Settings settings;
  const auto send = [](int received) {
    std::string text;
    for (int i = 0; i < received; ++i) text += i % 2 ? "Received: x\r\n" : "Delivered-To: y\r\n";
    return smtp("HELO c\r\n" + letter + "DATA\r\n" + text + "\r\nReceived: in the body\r\n.\r\nQUIT\r\n",
                QueueProgram().env())
        .out;
  };
  CHECK(has(send(99), "250 ok 1"));
  CHECK(has(send(100), "554 too many hops, this message is looping (#5.4.6)\r\n"));
}

TEST_CASE("smtpd: recipients over the limit: 452, no error, and the message goes to the others", "[smtpd]") {
  const Settings settings(Controls{{"smtplimits", "recipients: 3\nerrors: 2\n"}});
  const QueueProgram program;
  std::string input = "EHLO c\r\nMAIL FROM:<>\r\n";
  for (int i = 0; i < 50; ++i) input += "RCPT TO:<r" + std::to_string(i) + "@here.example>\r\n";
  const Outcome done = smtp(input + "DATA\r\nx\r\n.\r\nQUIT\r\n", program.env());
  CHECK(has(done.out, "LIMITS RCPTMAX=3\r\n"));
  std::string expected = "220 250 250 250 250 250";
  for (int i = 0; i < 47; ++i) expected += " 452";
  CHECK(codes(done.out) == expected + " 354 250 221");
  CHECK(program.envelope() == nul("F|Tr0@here.example|Tr1@here.example|Tr2@here.example||"));
}

TEST_CASE("smtpd: a thousand recipients by default", "[smtpd]") {
  const Settings settings;
  const QueueProgram program;
  std::string input = "EHLO c\r\nMAIL FROM:<>\r\n";
  for (int i = 0; i < 1001; ++i) input += "RCPT TO:<r" + std::to_string(i) + "@here.example>\r\n";
  const Outcome done = smtp(input + "DATA\r\nx\r\n.\r\nQUIT\r\n", program.env());
  CHECK(codes(done.out).ends_with(" 250 452 354 250 221"));
  CHECK(has(program.envelope(), nul("|Tr999@here.example||")));
}

TEST_CASE("smtpd: a command line of 2000 octets passes, one more is refused, and the next is read",
          "[smtpd]") {
  const Settings settings;
  CHECK(codes(smtp("NOOP " + std::string(1995, 'x') + "\r\nQUIT\r\n").out) == "220 250 221");
  CHECK(codes(smtp("NOOP " + std::string(1996, 'x') + "\r\nQUIT\r\n").out) == "220 500 221");
  CHECK(codes(smtp("NOOP " + std::string(100000, 'x') + "\r\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
}

TEST_CASE("smtpd: twenty errors are answered, then 421 and the end", "[smtpd]") {
  const Settings settings;
  std::string input = hello;
  for (int i = 0; i < 30; ++i) input += "NONSENSE\r\n";
  const Outcome done = smtp(input);
  std::string expected = "220 250";
  for (int i = 0; i < 20; ++i) expected += " 502";
  CHECK(codes(done.out) == expected + " 421");
  CHECK(done.code == 1);
  // An accepted message makes up for them.
  const QueueProgram program;
  const std::string nine = "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n";
  const std::string one = letter + "DATA\r\nx\r\n.\r\n";
  CHECK(
      codes(smtp(hello + nine + nine + one + nine + nine + "QUIT\r\n", program.env()).out).ends_with("221"));
  // The client reads 421 although much of what it sent was never read.
  Live live;
  live.send(hello + nine + nine + nine + std::string(30000, 'x'));
  CHECK(has(live.to_end(), "421 4.7.0 too many errors"));
}

TEST_CASE("smtpd: too many commands without a message", "[smtpd]") {
  const Settings settings(Controls{{"smtplimits", "commands: 5\n"}});
  CHECK(codes(smtp("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nRSET\r\nNOOP\r\nNOOP\r\n").out) ==
        "220 250 250 250 250 250 421");
}

TEST_CASE("smtpd: silence ends with 421", "[smtpd]") {
  const Settings settings(Controls{{"timeoutsmtpd", "1\n"}});
  for (const std::string& sent : {std::string(), std::string("NOO"), hello + letter + "DATA\r\nhalf"}) {
    CAPTURE(sent);
    const QueueProgram program;
    Live live(program.env());
    live.send(sent);
    CHECK(has(live.to_end(), "421 "));
    live.close();
    CHECK(live.process().wait() == 1);
    CHECK(program.envelope().empty());
  }
  // One octet now and then does not keep a command line open.
  signal(SIGPIPE, SIG_IGN);
  Live live;
  live.until("ESMTP\r\n");
  std::string said;
  for (int i = 0; i < 40 && said.empty(); ++i) {
    live.send("x");
    usleep(100000);
    if (i > 12) said = live.until("421", 0);
  }
  CHECK(has(said, "421"));
}

TEST_CASE("smtpd: no growth, whatever is sent: lines of 80 MB", "[smtpd]") {
  const Settings settings;
  const std::string megabyte(1U << 20, 'x');
  {
    Live live(with(QueueProgram("exit 0").env(), {}));
    live.until("ESMTP\r\n");
    for (int i = 0; i < 80; ++i) live.send(megabyte);
    live.send("\r\nNOOP\r\n");
    CHECK(has(live.until("250 ok\r\n", 60), "500 that command line is too long"));
    CHECK(live.peak_kib() < 24 << 10);  // a tenth of it without sanitizers
  }
  const QueueProgram program;
  Live live(program.env());
  live.send(hello + letter + "DATA\r\n");
  live.until("354 go ahead\r\n");
  for (int i = 0; i < 80; ++i) live.send(megabyte);
  live.send("\r\n.\r\n");
  CHECK(has(live.until("\r\n", 60), "250 2.0.0 ok"));
  CHECK(live.peak_kib() < 24 << 10);  // a tenth of it without sanitizers
  CHECK(program.body().size() == (80U << 20) + 1);
}

TEST_CASE("smtpd: RELAYCLIENT, badmailfrom, localiphost, morercpthosts", "[smtpd]") {
  const Settings settings(Controls{{"badmailfrom", "@bad.example\nspam@there.example\n"},
                                   {"localiphost", "here.example\n"},
                                   {"morercpthosts", "more.example\n.Wild.example\n"}});
  Start newmrh;
  newmrh.args = {installed("qmail-newmrh")};
  REQUIRE(run(newmrh).code == 0);
  struct Row {
    const char* sender;
    const char* recipient;
    Env env;
    const char* taken;  // recipient as queued; otherwise the code of its refusal
  };
  const Row rows[] = {
      {"a@b", "r@more.example", {}, "r@more.example"},
      {"a@b", "r@x.wild.example", {}, "r@x.wild.example"},
      {"a@b", "r@wild.example", {}, "553"},
      {"a@b", "r@far.example", {{"RELAYCLIENT", ""}}, "r@far.example"},
      {"a@b", "r@far.example", {{"RELAYCLIENT", "@fixme"}}, "r@far.example@fixme"},
      {"x@BAD.example", "r@here.example", {}, "553"},
      {"Spam@there.example", "r@here.example", {}, "553"},
      {"x@bad.example", "r@here.example", {{"RELAYCLIENT", ""}}, "553"},
      {"a@b", "r@[192.0.2.1]", {}, "r@here.example"},
      {"a@b", "r@[127.0.0.1]", {}, "r@here.example"},
      {"a@b", "r@[192.0.2.99]", {}, "553"},
      {"a@b", "r@[IPv6:::1]", {}, "r@here.example"},
      {"a@b",
       "r@[IPv6:2001:db8::5]",
       {{"PROTO", "TCP6"}, {"TCP6LOCALIP", "2001:db8::5"}, {"TCPLOCALIP", "2001:db8::5"}},
       "r@here.example"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sender, row.recipient, row.taken);
    const QueueProgram program;
    const Outcome done = smtp(std::string("HELO c\r\nMAIL FROM:<") + row.sender + ">\r\nRCPT TO:<" +
                                  row.recipient + ">\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
                              with(program.env(), row.env));
    if (std::string(row.taken) == "553") {
      CHECK(codes(done.out).starts_with("220 250 250 553 503"));
    } else {
      CHECK(has(program.envelope(), nul(std::string("|T") + row.taken + "||")));
    }
  }
  CHECK(has(smtp("HELO c\r\nMAIL FROM:<x@bad.example>\r\nRCPT TO:<r@here.example>\r\nQUIT\r\n").out,
            "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)\r\n"));
  // A damaged cdb: temporary, for that recipient.
  set_control("morercpthosts.cdb", "rubbish");
  CHECK(codes(smtp("HELO c\r\n").out) == "421");
  set_control("morercpthosts.cdb", "");
  set_control("morercpthosts", "");
  const Outcome missing = run(newmrh);
  CHECK(missing.code == 111);
  CHECK(has(missing.err, "morercpthosts"));
}

TEST_CASE("smtpd: without rcpthosts everything is taken, as with qmail", "[smtpd]") {
  const Settings settings;
  set_control("rcpthosts", "");
  CHECK(codes(smtp("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<r@far.example>\r\nQUIT\r\n").out) ==
        "220 250 250 250 221");
}

TEST_CASE("smtpd: control files that are missing or cannot be read: 421 and a line that names the file",
          "[smtpd]") {
  const Settings settings;
  set_control("me", "");
  const Outcome nameless = smtp("QUIT\r\n");
  CHECK(nameless.out.starts_with("421 "));
  CHECK(nameless.code == 1);
  CHECK(has(nameless.err, "smtpgreeting"));
  set_control("me", "mx.example\n");
  for (const char* name :
       {"rcpthosts", "badmailfrom", "databytes", "timeoutsmtpd", "smtpreplies", "smtplimits"}) {
    CAPTURE(name);
    set_control(name, "1\n");
    REQUIRE(chmod((std::string(conf::home) + "/control/" + name).c_str(), 0600) ==
            0);  // root's: qmaild may not
    const Outcome done = smtp("QUIT\r\n");
    CHECK(done.out.starts_with("421 "));
    CHECK(has(done.err, name));
    set_control(name, std::string(name) == "rcpthosts" ? "here.example\n" : "");
  }
}

TEST_CASE("smtpd: the operator's own texts and limits", "[smtpd]") {
  const Settings settings(
      Controls{{"smtpreplies", "rcpthosts: 550 go to our help page (#5.7.1)\nunimpl: 250 yes\n"},
               {"smtplimits", "recipients: many\n"}});
  const Outcome done = smtp("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<r@far.example>\r\nFOO\r\nQUIT\r\n");
  CHECK(has(done.out, "\r\n550 go to our help page (#5.7.1)\r\n502 unimplemented (#5.5.1)\r\n"));
  CHECK(has(done.err, "control/smtpreplies: not understood: unimpl: 250 yes"));
  CHECK(has(done.err, "control/smtplimits: not understood: recipients: many"));
}

TEST_CASE("smtpd: one log line for each refusal, with the trace, and nothing that could forge one",
          "[smtpd]") {
  const Settings settings;
  const Outcome done =
      smtp("HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<r@far.example>\r\nRCPT TO:<q@far.example>\r\nQUIT\r\n",
           with(from_outside, {{"TCPREMOTEHOST", "evil\nqmail-smtpd: forged"}}));
  CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 2);
  CHECK(done.err.starts_with("qmail-smtpd: trace "));
  CHECK(has(done.err,
            "192.0.2.7 (evil?qmail-smtpd: forged): refused RCPT TO:<r@far.example> from <a@b>: 553 sorry"));
}

TEST_CASE("smtpd: under inetd descriptor 2 is the client: nothing is logged there", "[smtpd]") {
  const Settings settings;
  Live live(from_outside, true);
  live.send("HELO c\r\nFOO\r\nQUIT\r\n");
  CHECK(live.to_end() ==
        "220 mx.example ESMTP\r\n250 mx.example\r\n502 unimplemented (#5.5.1)\r\n221 mx.example\r\n");
}

TEST_CASE("smtpd: under inetd the queue program's complaints do not get among the replies either",
          "[smtpd]") {
  const Settings settings;
  const QueueProgram program("echo complaint >&2");
  Live live(program.env(), true);
  live.send("HELO c\r\n" + letter + "DATA\r\n");
  live.until("354 go ahead\r\n");
  live.send("x: y\r\n\r\n.\r\nQUIT\r\n");
  const std::string rest = live.to_end();
  CAPTURE(rest);
  CHECK(rest.starts_with("250 ok "));
  CHECK(!has(rest, "complaint"));
  CHECK(rest.ends_with("221 mx.example\r\n"));
}

TEST_CASE("smtpd: runs as qmaild, in a chroot, sealed, whether a starter stands beside it or not",
          "[smtpd]") {
  const Settings settings;
  for (const bool starter : {false, true}) {
    const QueueProgram program;
    Live live(starter ? program.env() : from_outside);
    live.until("ESMTP\r\n");
    const std::optional<User> qmaild = passwd_user(conf::user_qmaild);
    REQUIRE(qmaild);
    const std::string id = std::to_string(qmaild->uid);
    CHECK(live.status("Uid") == id + "\t" + id + "\t" + id + "\t" + id);
    CHECK(live.status("Groups") == std::to_string(qmaild->gid) + " ");
    CHECK(live.status("Seccomp") == "2");
    CHECK(live.status("NoNewPrivs") == "1");
    CHECK(live.status("CapEff") == "0000000000000000");
    char root[4096] = "";
    const std::string link = "/proc/" + std::to_string(live.process().pid()) + "/root";
    REQUIRE(readlink(link.c_str(), root, sizeof root - 1) > 0);
    CHECK(std::string(root) == std::string(conf::home) + "/gate");
  }
}

TEST_CASE("smtpd: through the real gate", "[smtpd][gate]") {
  const Settings settings;
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
  const Settings settings(Controls{{"databytes", "50\n"}});
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
  const Settings settings;
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

namespace {

// tcp-env and env(1) on the server side of a loopback connection, as inetd runs them.
Outcome tcp_env(const std::vector<std::string>& args, int family) {
  const Fd listener(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage where{};
  where.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(where).sin6_addr = in6addr_loopback;
  else
    reinterpret_cast<sockaddr_in&>(where).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
  const Fd client(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(client.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
  const Fd server(accept(listener.get(), nullptr, nullptr));
  FdPair out = make_pipe();
  Start start;
  start.args = args;
  start.env = {{"TCPREMOTEINFO", "old"}};
  start.fds = {{0, server.get()}, {1, out.second.get()}, {2, out.second.get()}};
  Process process(start);
  out.second.reset();
  Outcome outcome;
  outcome.out = read_until(out.first.get(), "never", 20);
  outcome.code = process.wait();
  return outcome;
}

}  // namespace

TEST_CASE("tcp-env: tells of the connection on descriptor 0", "[smtpd]") {
  // Nobody answers: a look-up that fails for now is "softdnserror", as qmail's tcp-env has it.
  const Settings settings(Controls{{"resolver", "127.0.0.1:1\n"}, {"timeoutdns", "1\n"}});
  const Outcome four = tcp_env({installed("tcp-env"), "-R", "env"}, AF_INET);
  CAPTURE(four.out);
  CHECK(four.code == 0);
  for (const char* part :
       {"PROTO=TCP\n", "TCPLOCALIP=127.0.0.1\n", "TCPREMOTEIP=127.0.0.1\n",
        "TCPREMOTEPORT=", "TCPLOCALPORT=", "TCPREMOTEHOST=softdnserror\n", "TCPLOCALHOST=softdnserror\n"})
    CHECK(has(four.out, part));
  CHECK_FALSE(has(four.out, "TCPREMOTEINFO"));
  CHECK_FALSE(has(four.out, "TCP6"));
  // -r: nobody answers on port 113 here
  const Outcome six = tcp_env({installed("tcp-env"), "-t2", "env"}, AF_INET6);
  CAPTURE(six.out);
  for (const char* part :
       {"PROTO=TCP6\n", "TCPREMOTEIP=::1\n", "TCP6REMOTEIP=::1\n", "TCP6LOCALIP=::1\n", "TCP6LOCALPORT="})
    CHECK(has(six.out, part));
  CHECK_FALSE(has(six.out, "TCPREMOTEINFO"));
}

TEST_CASE("tcp-env: leaves alone what is told already, and refuses what is no connection", "[smtpd]") {
  const Settings settings(Controls{{"resolver", "127.0.0.1:1\n"}, {"timeoutdns", "1\n"}});
  Start start;
  start.args = {installed("tcp-env"), "-R", "/usr/bin/env"};
  CHECK(run(start).code == 111);  // a pipe
  start.env = {{"PROTO", "TCP"}, {"TCPREMOTEIP", "1.2.3.4"}};
  const Outcome told = run(start);
  CHECK(told.code == 0);
  CHECK(has(told.out, "TCPREMOTEIP=1.2.3.4\n"));
  start.env = {{"TCPREMOTEINFO", "old"}};
  start.args = {installed("tcp-env")};
  CHECK(run(start).code == 111);  // no program
}

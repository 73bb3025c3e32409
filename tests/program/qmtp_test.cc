// qmail-qmtpd, qmail-qmqpd, qmail-qmqpc, qmail-qmtpc and a route with the word qmtp, as real executables.
// Protocols: cr.yp.to/proto/qmtp.txt, cr.yp.to/proto/qmqp.html.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/mail/netstring.h"
#include "tests/program/byte_server.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"
#include "tests/program/smtp_server.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

using Env = std::map<std::string, std::string>;
using Strings = std::vector<std::string>;
const Env from_outside = {{"PROTO", "TCP"},
                          {"TCPREMOTEIP", "192.0.2.7"},
                          {"TCPREMOTEHOST", "out.example"},
                          {"TCPREMOTEINFO", "who"},
                          {"TCPLOCALHOST", "mx.example"}};

Env with(Env env, const Env& more) {
  for (const auto& [name, value] : more) env[name] = value;
  return env;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string net(std::string_view string) {
  std::string out;
  append_netstring(out, string);
  return out;
}

std::string nets(const Strings& strings) {
  std::string out;
  for (const std::string& string : strings) append_netstring(out, string);
  return out;
}

// encoded: with the octet in front that tells the encoding.
std::string qmtp(const std::string& encoded, const std::string& sender, const Strings& recipients) {
  return net(encoded) + net(sender) + net(nets(recipients));
}
std::string qmqp(const std::string& message, const std::string& sender, const Strings& recipients) {
  return net(net(message) + net(sender) + nets(recipients));
}

// The responses, with the numbers of "ok TIME qp PID" taken out; what is no netstring as one with a '!'.
Strings responses(std::string_view out) {
  Strings all;
  while (!out.empty()) {
    std::string_view one;
    if (take_netstring(out, one, 1000) != NetstringTake::complete) {
      all.push_back("!" + std::string(out));
      break;
    }
    std::string text(one);
    long time = 0, qp = 0;
    char rest = 0;
    if (sscanf(text.c_str(), "Kok %ld qp %ld%c", &time, &qp, &rest) == 2 && time > 1'700'000'000 && qp > 1)
      text = "K";
    all.push_back(text);
  }
  return all;
}

// Control files of one test; all of them are gone afterwards.
class Settings {
 public:
  explicit Settings(Controls files = {}) : files_(std::move(files)) {
    files_.emplace("me", "mx.example\n");
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

Outcome server(const std::string& program, const std::string& input, const Env& env = from_outside) {
  Start start;
  start.args = {installed(program)};
  start.env = env;
  return run(start, input, 60);
}

// A session on a socket, as tcpserver gives it.
class Live {
 public:
  explicit Live(const std::string& program, const Env& env = from_outside) {
    FdPair pair = make_socketpair(SOCK_STREAM);
    Start start;
    start.args = {installed(program)};
    start.env = env;
    const Fd null = open_file("/dev/null", O_RDWR);
    start.fds = {{0, pair.second.get()}, {1, pair.second.get()}, {2, null.get()}};
    process_ = std::make_unique<Process>(start);
    client_ = std::move(pair.first);
  }
  void send(std::string_view octets) const { write_all(client_.get(), octets, "session"); }
  std::string until(const std::string& text, int seconds = 20) const {
    return read_until(client_.get(), text, seconds);
  }
  std::string to_end(int seconds = 20) const { return until("\xff\xfe never", seconds); }
  void shut() const { shutdown(client_.get(), SHUT_WR); }
  void close() { client_.reset(); }
  Process& process() { return *process_; }
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
  std::unique_ptr<Process> process_;
};

const std::string letter = "Subject: x\n\nbody\n";

}  // namespace

TEST_CASE("qmtpd: packages one behind the other, a response for each recipient in order", "[qmtp]") {
  const RunningGate gate(Controls{{"rcpthosts", "here.example\n.sub.example\n"}});
  const std::string crlf = "\rSubject: y\r\n\r\nb\rc\r\nlast";
  const Outcome done =
      server("qmail-qmtpd", qmtp("\n" + letter, "s@there.example",
                                 {"a@here.example", "x@far.example", "b@here.example", "x@far.example"}) +
                                qmtp(crlf, "", {"c@x.sub.example", "postmaster"}) +
                                qmtp("\nz", "s@there.example", {}) +
                                qmtp("\n" + letter, "s@there.example", {"x@far.example"}) +
                                qmtp("\nno end", "s@x.example", {"d@here.example"}));
  const std::string refused = "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";
  CHECK(responses(done.out) == Strings{"K", refused, "K", refused, "K", "K", refused, "K"});
  CHECK(done.code == 0);
  const auto queued = gate.queued();
  REQUIRE(queued.size() == 3);
  CHECK(queued[0].body == letter);
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
  Live live("qmail-qmtpd");
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
  CHECK(responses(server("qmail-qmtpd", input, with(from_outside, {{"RELAYCLIENT", "@relay"}})).out) ==
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
                           with(from_outside, row.env))
                        .out) == Strings{row.response, "K"});
    if (row.encoded.empty() || row.encoded[0] != '\n') continue;
    CHECK(responses(
              server("qmail-qmqpd", qmqp(row.encoded.substr(1), "s@x", {"a@b"}), with(from_outside, row.env))
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
      Live live(program);
      live.send(input);
      live.shut();
      const Strings said = responses(live.to_end());
      REQUIRE(said.size() == 1);
      CHECK(said[0].starts_with("Dthat ") + said[0].starts_with("Dsorry, an envelope") == 1);
      CHECK(live.process().wait() == 1);
    }
  // broken off at any octet
  const std::string whole = qmtp("\n" + letter, "s@x", {"a@b", "c@d"});
  const std::string wrapped = qmqp(letter, "s@x", {"a@b", "c@d"});
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
      server("qmail-qmqpd", qmqp(letter, "s@x", {"a@far.example", "b@here.example"}) + "7:trailer");
  CHECK(responses(done.out) == Strings{"K"});
  CHECK(done.code == 0);
  const auto queued = gate.queued();
  REQUIRE(queued.size() == 1);
  CHECK(queued[0].body == letter);
  CHECK(queued[0].recipients() == Strings{"a@far.example", "b@here.example"});
  CHECK(queued[0].header.kind == Kind::submission);
  CHECK(has(queued[0].text, "by mx.example with QMQP id "));
  for (const Strings& recipients :
       {Strings{"a@b", ""}, Strings{"a@b", "c\n@d"}, Strings{std::string(1003, 'x')}})
    CHECK(responses(server("qmail-qmqpd", qmqp(letter, "s@x", recipients)).out) ==
          Strings{"Dsorry, I can't accept addresses like that (#5.1.3)"});
  CHECK(responses(server("qmail-qmqpd", qmqp(letter, "s\n@x", {"a@b"})).out) ==
        Strings{"Dsorry, I can't accept addresses like that (#5.1.3)"});
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("qmtpd and qmqpd: no queue, no control files", "[qmtp]") {
  {
    const Settings settings;  // and no gate
    const std::string busy = "Zqq the queue's gate does not answer (#4.3.0)";
    CHECK(responses(server("qmail-qmtpd", qmtp("\nx", "s@x", {"a@b", "c@d"})).out) == Strings{busy, busy});
    CHECK(responses(server("qmail-qmqpd", qmqp("x", "s@x", {"a@b", "c@d"})).out) == Strings{busy});
  }
  const Settings settings(Controls{{"morercpthosts.cdb", "no cdb"}, {"rcpthosts", "here.example\n"}});
  const Outcome broken = server("qmail-qmtpd", qmtp("\nx", "s@x", {"a@far.example"}));
  CAPTURE(broken.out, broken.err);
  REQUIRE(responses(broken.out).size() == 1);
  CHECK(responses(broken.out)[0][0] == 'Z');
}

TEST_CASE("qmtpd and qmqpd: $QMAILQUEUE", "[qmtp]") {
  const Settings settings;
  const ScratchDirectory scratch;
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
    const std::string program =
        scratch.write("program", "#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n"s + row.end + "\n");
    chmod(program.c_str(), 0755);
    const Env env = with(from_outside, {{"QMAILQUEUE", program}});
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
    Live live(program);
    REQUIRE(eventually([&] { return live.status("Seccomp") == "2"; }));
    CHECK(live.status("Uid") == id + "\t" + id + "\t" + id + "\t" + id);
    CHECK(live.status("NoNewPrivs") == "1");
    char root[4096] = "";
    REQUIRE(readlink(("/proc/" + std::to_string(live.process().pid()) + "/root").c_str(), root,
                     sizeof root - 1) > 0);
    CHECK(std::string(root) == std::string(conf::home) + "/gate");
  }
}

TEST_CASE("qmtpd and qmqpd: large messages and envelopes in little memory", "[qmtp]") {
  const RunningGate gate;
  const std::string megabyte(1U << 20, 'x');
  constexpr std::size_t recipients = 250000;
  std::string list;
  for (std::size_t i = 0; i < recipients; ++i) list += net("r@0123456789.0123456789.e.jp");
  for (const bool is_qmtp : {true, false}) {
    Live live(is_qmtp ? "qmail-qmtpd" : "qmail-qmqpd");
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

// --- qmail-qmqpc
// --------------------------------------------------------------------------------------------------

namespace {

struct Queue {  // qmail-queue's interface
  std::string message = letter;
  std::string envelope = "Fs@x\0Ta@b\0Tc@d\0\0"s;
  bool fd6 = false;
  bool file = false;  // fd 0 is a file that stands behind "secret"
};

struct Queued3 {
  int code;
  std::string text, err;
};

Queued3 qmqpc(const Queue& queue = {}) {
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
  Queued3 result{process.wait(60), {}, {}};
  if (queue.fd6) result.text = read_until(text.first.get(), "\xff never", 2);
  result.err = slurp(scratch.file("err"));
  return result;
}

}  // namespace

TEST_CASE("qmqpc: a message as it stands, and the server's answer as qmail's exit codes", "[qmtp]") {
  const std::string package = qmqp(letter, "s@x", {"a@b", "c@d"});
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
      const Settings settings(Controls{{"qmqpservers", server.name() + "\n"}});
      CHECK(qmqpc({.file = file}).code == row.code);
      CHECK(server.received() == Strings{package});
      if (row.code == 0) continue;
      const Queued3 told = qmqpc({.fd6 = true, .file = file});
      CHECK(told.code == 82);
      CHECK(told.text == row.text);
    }
}

TEST_CASE("qmqpc: servers in turn", "[qmtp]") {
  const std::string package = qmqp(letter, "s@x", {"a@b", "c@d"});
  const ByteServer good({{package.size(), net("Kok")}}), six({{package.size(), net("Kok")}}, "::1");
  const DeafPort deaf("127.0.0.1");
  const std::string closed = "127.0.0.1:1";
  {
    const Settings settings(Controls{
        {"qmqpservers", "# ours\nmail.example\n" + closed + "\n" + six.name() + "\n" + good.name() + "\n"}});
    const Queued3 done = qmqpc();
    CHECK(done.code == 0);
    CHECK(done.err ==
          "qmail-qmqpc: control/qmqpservers: not an address: mail.example\n"
          "qmail-qmqpc: connect to 127.0.0.1:1: Connection refused\n");
    CHECK(six.received().size() == 1);
    CHECK(good.received().empty());
  }
  {
    const ByteServer refuses({{package.size(), net("Zbusy")}});  // a connection was made: its answer is final
    const Settings settings(Controls{{"qmqpservers", refuses.name() + "\n" + good.name() + "\n"}});
    CHECK(qmqpc().code == 71);
    CHECK(good.received().empty());
  }
  {
    const Settings settings(Controls{{"qmqpservers", closed + "\n"}});
    CHECK(qmqpc().code == 73);
    CHECK(qmqpc({.fd6 = true}).text == "Zqmqp connection rejected (#4.4.1)");
  }
  {
    const Settings settings(Controls{{"qmqpservers", "127.0.0.1:" + std::to_string(deaf.port()) + "\n"}});
    CHECK(qmqpc().code == 72);
  }
  {
    const Settings settings(Controls{{"qmqpservers", "mail.example\n"}});
    CHECK(qmqpc().code == 55);
  }
  const Settings settings;
  CHECK(qmqpc().code == 55);
}

TEST_CASE("qmqpc: a server that hangs up in the middle is left for the next", "[qmtp]") {
  const std::string large(20U << 20, 'm');
  const std::string package = qmqp(large, "s@x", {"a@b", "c@d"});
  const ByteServer bad({{.octets = 1000, .reset = true}}), good({{package.size(), net("Kok")}});
  const Settings settings(Controls{{"qmqpservers", bad.name() + "\n" + good.name() + "\n"}});
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
  const Settings settings(Controls{{"qmqpservers", server.name() + "\n"}});
  for (const Row& row : rows) CHECK(qmqpc({.envelope = row.envelope}).code == row.code);
  CHECK(server.received().empty());
}

TEST_CASE("qmqpc and qmqpd: from one queue's interface to the other's queue", "[qmtp]") {
  const RunningGate gate;
  for (const std::string& message : {""s, letter, "a\r\nb\0\xff"s, std::string(3U << 20, 'x')}) {
    // through qmqpd on a socket that this test listens on
    const std::string package = qmqp(message, "s@x", {"a@b"});
    const ByteServer listener({{package.size(), net("Kok")}});
    set_control("qmqpservers", listener.name() + "\n");
    CHECK(qmqpc({.message = message, .envelope = "Fs@x\0Ta@b\0\0"s}).code == 0);
    gate.empty();
    CHECK(responses(server("qmail-qmqpd", listener.received().at(0)).out) == Strings{"K"});
    CHECK(gate.queued().at(0).body == message);
  }
  set_control("qmqpservers", "");
}

// --- qmail-qmtpc, and qmail-remote by a route
// -----------------------------------------------------------------------

namespace {

Strings deliver(const std::string& program, const Strings& recipients, const std::string& message = letter,
                const std::string& host = "far.example") {
  Start start;
  start.args = {installed(program), host, "s@here.example"};
  start.args.insert(start.args.end(), recipients.begin(), recipients.end());
  const Outcome done = run(start, message, 60);
  CHECK(done.code == 0);
  CHECK(done.err.empty());
  Strings all;
  for (std::string_view rest = done.out; !rest.empty();) {
    const std::size_t nul = rest.find('\0');
    REQUIRE(nul != rest.npos);
    all.emplace_back(rest.substr(0, nul));
    rest.remove_prefix(nul + 1);
  }
  return all;
}

}  // namespace

TEST_CASE("qmtpc and a route with qmtp: one package, reports as qmail-remote's", "[qmtp]") {
  const Strings two = {"a@far.example", "\xc3\xbc \"@far.example"};
  const std::string package = qmtp("\n" + letter, "s@here.example", two);
  const std::size_t size = package.size();
  const std::string ip = "127.0.0.1";
  const std::string died = "Connected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n";
  struct Row {
    BytePlan plan;
    Strings reports;
  };
  const std::string ok = net("Kok 838640135 qp 1390");
  const std::string accepted = "K127.0.0.1 accepted message.\nRemote host said: ok 838640135 qp 1390\n";
  const Row rows[] = {
      {{size, ok + ok}, {"r", "r", accepted}},
      {{size, ok + net("Dno\nsuch (#5.1.1)")},
       {"r", "h127.0.0.1 does not like recipient.\nRemote host said: no?such (#5.1.1)\n", accepted}},
      {{size, net("Zlater") + ok},
       {"s127.0.0.1 does not like recipient.\nRemote host said: later\n", "r", accepted}},
      {{size, net("D") + net("Z")},
       {"h127.0.0.1 does not like recipient.\n", "s127.0.0.1 does not like recipient.\n",
        "DGiving up on 127.0.0.1.\n"}},
      {{size, ok}, {"r", "s" + died, accepted}},
      {{size, net("Dno")}, {"h127.0.0.1 does not like recipient.\nRemote host said: no\n", "Z" + died}},
      {{size, ""}, {"Z" + died}},
      {{.octets = size, .reset = true}, {"Z" + died}},
      {{size, "220 mx ESMTP\r\n"}, {"Z" + died + "The connection was given up: what it says is not QMTP.\n"}},
      {{size, "99999:"}, {"Z" + died + "The connection was given up: what it says is not QMTP.\n"}},
      {{size, ok + net("")},
       {"r", "s" + died + "The connection was given up: what it says is not QMTP.\n", accepted}},
      {{size, ok + ok + ok}, {"r", "r", accepted}},
  };
  for (const Row& row : rows)
    for (const char* program : {"qmail-qmtpc", "qmail-remote"}) {
      CAPTURE(row.plan.answer, program);
      const ByteServer server({row.plan});
      const Settings settings(Controls{{"smtproutes", "far.example:" + server.name() + " qmtp\n"}});
      CHECK(deliver(program, two) == row.reports);
      CHECK(server.received() == Strings{package});
    }
}

TEST_CASE("qmtpc and a route with qmtp: messages of any size and shape", "[qmtp]") {
  for (const std::string& message : {""s, "no end"s, "a\r\nb\rc\0\xff\n"s, std::string(3U << 20, 'x')})
    for (const char* program : {"qmail-qmtpc", "qmail-remote"}) {
      CAPTURE(message.size(), program);
      const std::string package = qmtp("\n" + message, "s@here.example", {"a@far.example"});
      const ByteServer server({{package.size(), net("Kok")}});
      const Settings settings(Controls{{"smtproutes", ":" + server.name() + " qmtp\n"}});
      CHECK(deliver(program, {"a@far.example"}, message) ==
            Strings{"r", "K127.0.0.1 accepted message.\nRemote host said: ok\n"});
      CHECK((server.received().at(0) == package));
    }
}

TEST_CASE("qmtpc: where it goes without a route of its own", "[qmtp]") {
  // nobody listens on 209 here
  const std::string none = "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n";
  const SmtpServer smtp;
  const Settings settings(Controls{{"smtproutes", ":127.0.0.1:" + std::to_string(smtp.port()) + "\n"},
                                   {"timeoutconnect", "2\n"}});
  const Strings reports = deliver("qmail-qmtpc", {"a@far.example"}, letter, "[127.0.0.2]");
  REQUIRE(reports.size() == 1);
  CHECK(
      (reports[0].starts_with(none) || reports[0].starts_with("DSorry. Although I'm listed as a best-preference MX")));
  CHECK(smtp.sessions().empty());  // a route for SMTP is not for it
  CHECK(deliver("qmail-qmtpc", {}) == Strings{"DI (qmail-qmtpc) was invoked improperly. (#5.3.5)\n"});
}

TEST_CASE("a server that dies before it has the whole message: the message is for another one", "[qmtp]") {
  const std::string large(20U << 20, 'm');
  const ByteServer server({{.octets = 1000, .reset = true}});
  const Settings settings(Controls{{"smtproutes", ":" + server.name() + " qmtp\n"}});
  for (const char* program : {"qmail-qmtpc", "qmail-remote"})
    CHECK(deliver(program, {"a@far.example"}, large) ==
          Strings{"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"});
  const ByteServer refuses({{.octets = 1000, .answer = net("Dtoo large (#5.3.4)"), .silent = true}});
  set_control("smtproutes", ":" + refuses.name() + " qmtp\n");
  CHECK(deliver("qmail-qmtpc", {"a@far.example"}, large) ==
        Strings{"h127.0.0.1 does not like recipient.\nRemote host said: too large (#5.3.4)\n",
                "DGiving up on 127.0.0.1.\n"});
}

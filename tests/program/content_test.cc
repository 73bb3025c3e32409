// Content services at the gate: a small real one, which looks for a word, driven through qmail-queue.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/gate.h"
#include "tests/catch.h"
#include "tests/program/gate.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

std::string field(const OriginFields& fields, const std::string& name) {
  for (const auto& [known, value] : fields)
    if (known == name) return value;
  return "";
}

void answer(int client, const std::string& verdict, const std::string& text = "") {
  std::string record;
  append_record(record, gate_format::result, encode_fields({{"verdict", verdict}, {"text", text}}));
  send_message(client, record);
}

// Serves one message: does what the word in its body says.
void serve(int client) {
  std::string bytes, recipients;
  OriginFields origin;
  Fd message;
  for (bool asked = false; !asked;) {
    std::optional<Message> part = receive_message(client, 65536);
    if (!part || part->data.empty()) return;
    if (part->fd_count > 0) message = std::move(part->fds[0]);
    bytes += part->data;
    std::string_view rest = bytes, payload;
    char type;
    while (take_record(rest, type, payload)) {
      if (type == gate_format::origin) origin = decode_fields(payload).value();
      if (type == gate_format::envelope) recipients += payload;
      if (type == gate_format::commit) asked = true;
    }
    bytes.erase(0, bytes.size() - rest.size());
  }
  const auto start = static_cast<off_t>(std::stoull(field(origin, "start")));
  const std::string text = pread_some(message.get(), std::stoull(field(origin, "size")), start, "message");
  const auto says = [&](const char* word) { return text.find(word) != std::string::npos; };
  if (says("infected"))
    answer(client, "refuse", "554 sorry, that message has a virus (#5.7.1)");
  else if (says("busy"))
    answer(client, "defer");
  else if (says("drop"))
    answer(client, "discard");
  else if (says("hang up"))
    return;
  else if (says("sleep"))
    sleep(5);
  else if (says("writable"))
    answer(client, (fcntl(message.get(), F_GETFL) & O_ACCMODE) == O_RDONLY ? "accept" : "refuse",
           "it can be written");
  else if (says("label")) {
    std::string record;
    append_record(record, 'H', "X-Scanned: " + field(origin, "kind") + " " + field(origin, "sender") + "\n");
    append_record(
        record, 'H',
        "X-Recipients: " + std::to_string(std::count(recipients.begin(), recipients.end(), 'T')) + "\n");
    send_message(client, record);
    answer(client, "accept");
  } else if (says("forge")) {
    std::string record;
    append_record(record, 'H', "X-Header: a\n\nBody from nowhere\n");
    send_message(client, record);
    answer(client, "accept");
  } else if (says("replace")) {
    const Fd other(memfd_create("replacement", 0));
    write_all(other.get(), "Subject: clean\n\nreplaced\n", "memfd");
    std::string record;
    append_record(record, 'N', "");
    const int fd = other.get();
    send_message(client, record, &fd, 1);
    answer(client, "accept");
  } else {
    answer(client, "accept");
  }
}

class Service {
 public:
  Service() {
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw_errno("bind");
    if (listen(socket_.get(), 10) != 0 || chmod(path().c_str(), 0666) != 0) throw_errno("listen");
    const pid_t parent = getpid();
    pid_ = fork_child("service", [&] {
      if (!die_with_parent(parent)) return 1;
      for (;;) {
        const Fd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        serve(client.get());
      }
    });
  }
  ~Service() { stop(); }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  void stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    wait_for_child(pid_);
    pid_ = 0;
    socket_.reset();
  }
  std::string path() const { return scratch_.file("service"); }

 private:
  ScratchDirectory scratch_;
  Fd socket_;
  pid_t pid_ = 0;
};

struct QueueOutcome {
  int code;
  std::string text;
};
QueueOutcome submit(const std::string& message) {
  Gate gate;
  GateResult result = gate.connect(gate_path(), Deadline::in_seconds(5));
  if (!result.ok()) return {result.code, ""};
  gate.origin({});
  gate.message(message);
  gate.end_message();
  gate.sender("a@b.example");
  gate.recipient("c@d.example");
  gate.recipient("e@f.example");
  result = gate.commit(Deadline::in_seconds(20));
  return {result.code, result.text};
}

}  // namespace

TEST_CASE("a content service's verdict decides (design section 3)") {
  Service service;
  RunningGate gate(Controls{{"content", "local " + service.path() + "\n"}});
  const auto [word, code, text, queued] = GENERATE(table<const char*, int, const char*, std::size_t>({
      {"nothing special", 0, "", 1},
      {"infected", 82, "D554 sorry, that message has a virus (#5.7.1)", 0},
      {"busy", 82, "Zsorry, this message cannot be checked now, try again later (#4.7.1)", 0},
      {"drop", 0, "", 0},
      {"hang up", 82, "Zsorry, this message cannot be checked now, try again later (#4.7.1)", 0},
      {"forge", 82, "Zsorry, this message cannot be checked now, try again later (#4.7.1)", 0},
      {"writable", 0, "", 1},
  }));
  CAPTURE(word);
  const QueueOutcome outcome = submit("Subject: x\n\n"s + word + "\n");
  CHECK(outcome.code == code);
  CHECK(outcome.text == text);
  CHECK(gate.queued().size() == queued);
}

TEST_CASE("a content service puts fields in front, below ours") {
  Service service;
  RunningGate gate(Controls{{"content", "local " + service.path() + "\n"}});
  REQUIRE(submit("Subject: x\n\nlabel\n").code == 0);
  const std::string text = gate.queued().at(0).text;
  CHECK(text.starts_with("Received: (qmail "));
  CHECK(text.ends_with("\nX-Scanned: local a@b.example\nX-Recipients: 2\nSubject: x\n\nlabel\n"));
  CHECK(gate.queued().at(0).body == "Subject: x\n\nlabel\n");
}

TEST_CASE("a content service replaces the message, and the checksums are the new one's") {
  Service service;
  RunningGate gate(Controls{{"content", "local " + service.path() + "\n"}});
  REQUIRE(submit("Subject: x\n\nreplace " + std::string(100000, 'z') + "\n").code == 0);
  CHECK(gate.queued().at(0).body == "Subject: clean\n\nreplaced\n");
}

TEST_CASE("services are asked in the order of the file, and the first refusal ends it") {
  Service first, second;
  RunningGate gate(Controls{{"content", "local " + first.path() + "\nlocal " + second.path() + "\n"}});
  REQUIRE(submit("Subject: x\n\nlabel\n").code == 0);
  const std::string text = gate.queued().at(0).text;
  CHECK(text.find("X-Scanned") != text.rfind("X-Scanned"));
}

TEST_CASE("a service that is not there, or too slow, defers: nothing passes unchecked") {
  Service service;
  RunningGate gate(Controls{{"content", "local " + service.path() + "\n"}, {"timeoutcontent", "1\n"}});
  CHECK(submit("Subject: x\n\nsleep\n").code == 82);
  service.stop();
  CHECK(submit("Subject: x\n\nplain\n").code == 82);
  CHECK(gate.queued().empty());
  CHECK(gate.log().find("it did not answer in time") != std::string::npos);
  CHECK(gate.log().find("connect: Connection refused") != std::string::npos);
}

TEST_CASE("kinds without a service are not asked about") {
  RunningGate gate(Controls{{"content", "mx /nonexistent/service\n"}});
  CHECK(submit("Subject: x\n\ninfected\n").code == 0);
}

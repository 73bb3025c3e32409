#include "lib/net/program_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "lib/base/queue_exit.h"
#include "lib/mail/domain.h"
#include "lib/mail/envelope.h"
#include "lib/mail/received.h"

namespace hato {

namespace {

constexpr std::size_t custom_text_limit = 255;  // bytes read from fd 6
constexpr int custom_text_fd = 6;
constexpr int patience_when_given_up = 30;  // seconds for a program to see that its message broke off
constexpr int exit_no_exec = 120;           // as qmail's: the program cannot be run, permanently ...
constexpr int exit_no_exec_now = 121;       // ... or just now

// Request: one byte with the three descriptors. Answer: pid and wait status, 32 bits each, big-endian.
constexpr std::string_view request = "R";
constexpr std::size_t answer_size = 8;

bool may_pass(int error) {
  return error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE || error == EIO ||
         error == ETXTBSY;
}

[[noreturn]] void run_program(const std::string& program, Message& asked) {
  default_signals();
  try {
    for (int i = 0; i < 3; ++i)  // out of the way of the numbers that the program expects
      asked.fds[i].reset(fcntl(asked.fds[i].get(), F_DUPFD_CLOEXEC, custom_text_fd + 1));
    move_to(std::move(asked.fds[0]), 0);
    move_to(std::move(asked.fds[1]), 1);
    move_to(std::move(asked.fds[2]), custom_text_fd);
    execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
  } catch (const Error&) {
    _exit(exit_no_exec_now);
  }
  _exit(may_pass(errno) ? exit_no_exec_now : exit_no_exec);
}

int starter(const std::string& program, const std::string& user, int session, bool has_log) {
  drop_root_to(user);
  if (chdir(conf::home) != 0) throw_errno(std::string("chdir ") + conf::home);
  // The client's connection must not stay open because of us, and under inetd, where it is descriptor 2, too,
  // what a program complains of must not get among the replies.
  for (const int fd : {0, 1, 2})
    if ((fd != 2 || !has_log) && dup2(open_file("/dev/null", O_RDWR).get(), fd) < 0) throw_errno("dup2");
  for (;;) {
    std::optional<Message> asked = receive_message(session, request.size());
    if (!asked || asked->data.empty()) return 0;  // the session is over
    if (asked->fd_count != 3) return 111;
    const pid_t pid = fork();
    if (pid == 0) run_program(program, *asked);
    for (Fd& fd : asked->fds) fd.reset();
    const int status = pid > 0 ? wait_for_child(pid) : exit_no_exec_now << 8;
    std::string answer;
    put_big(answer, static_cast<std::uint32_t>(pid > 0 ? pid : 0));
    put_big(answer, static_cast<std::uint32_t>(status));
    if (!send_message(session, answer)) return 0;
  }
}

class ProgramSubmission : public ServerSubmission {
 public:
  ProgramSubmission(int starter, Fd message, Fd envelope, Fd custom)
      : starter_(starter),
        message_(std::move(message)),
        envelope_(std::move(envelope)),
        custom_(std::move(custom)) {}

  // Given up: the envelope ends before its final NUL, so the program queues nothing; its end must be waited
  // for, or its answer would be taken for that of the next message.
  ~ProgramSubmission() override {
    if (answered_) return;
    message_.reset();
    envelope_.reset();
    try {
      if (wait_readable(starter_, Deadline::in_seconds(patience_when_given_up)))
        wait();
      else
        shutdown(starter_, SHUT_RDWR);  // no further message by this starter
    } catch (const Error&) {
    }
  }

  void text(std::string_view piece) override { put(message_, piece); }

  GateResult commit(const SubmissionEnvelope& envelope) override {
    message_.reset();
    Envelope all;
    all.sender = envelope.sender;
    all.recipients = envelope.recipients;
    put(envelope_, encode_envelope(all));
    envelope_.reset();
    GateResult outcome = wait();
    if (outcome.code == 0 && broken_) outcome.code = static_cast<int>(QueueExit::broken_off);
    if (outcome.code == static_cast<int>(QueueExit::custom_text)) outcome.text = custom_text();
    return outcome;
  }

 private:
  // A program that ends before it has read everything closes its pipe: its exit code tells why.
  void put(const Fd& fd, std::string_view piece) {
    if (broken_) return;
    try {
      write_all(fd.get(), piece, "queue program");
    } catch (const SystemError&) {
      broken_ = true;
    }
  }

  GateResult wait() {
    answered_ = true;
    GateResult outcome;
    outcome.code = static_cast<int>(QueueExit::outcome_unknown);
    const std::optional<Message> answer = receive_message(starter_, answer_size);
    if (!answer || answer->data.size() != answer_size) return outcome;
    outcome.qp = get_big<std::uint32_t>(answer->data, 0);
    const int status = static_cast<int>(get_big<std::uint32_t>(answer->data, 4));
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(QueueExit::broken_off);
    return outcome;
  }

  // What is there; a descendant of the program may hold the pipe open for ever.
  std::string custom_text() {
    set_nonblocking(custom_.get(), true);
    std::string text(custom_text_limit, '\0');
    const ssize_t n = read(custom_.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text.substr(0, text.find_first_of(std::string_view("\0\r\n", 3)));
  }

  int starter_;
  Fd message_;
  Fd envelope_;
  Fd custom_;
  bool broken_ = false;
  bool answered_ = false;
};

std::string received_of(const GateOrigin& origin) {
  SmtpReceived received;
  received.remote_host = origin.host;
  if (!origin.helo.empty()) received.helo = origin.helo;
  received.remote_info = origin.info;
  received.remote_ip = origin.ip;
  received.local_host = origin.local;
  received.protocol = origin.protocol;
  received.trace = origin.trace;
  return received_field(received, now_seconds());
}

}  // namespace

Fd start_starter(const char* server, const std::string& program, const std::string& user, bool has_log) {
  FdPair pair = make_socketpair(SOCK_SEQPACKET);
  const std::string path =
      program.empty() || program[0] == '/' ? program : std::string(conf::home) + "/" + program;
  fork_child(server, [&] {
    pair.first.reset();
    return starter(path, user, pair.second.get(), has_log);
  });
  return std::move(pair.first);
}

std::unique_ptr<ServerSubmission> ProgramQueue::open(const GateOrigin& origin, GateResult& refused) {
  refused.code = static_cast<int>(QueueExit::memory);
  try {
    FdPair message = make_pipe();
    FdPair envelope = make_pipe();
    FdPair custom = make_pipe();
    const int fds[] = {message.first.get(), envelope.first.get(), custom.second.get()};
    if (!send_message(starter_.get(), request, fds, 3)) {
      refused.code = static_cast<int>(QueueExit::gate_silent);
      return nullptr;
    }
    auto submission = std::make_unique<ProgramSubmission>(
        starter_.get(), std::move(message.second), std::move(envelope.second), std::move(custom.first));
    submission->text(received_of(origin) + origin.fields);
    return submission;
  } catch (const SystemError&) {
    return nullptr;
  }
}

}  // namespace hato

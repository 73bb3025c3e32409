#include "lib/net/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/queue_exit.h"
#include "lib/store/control.h"

namespace hato {

namespace {

constexpr std::int64_t longest_wait = 1'000'000'000;  // seconds: 30 years are as good as for ever

constexpr int crashed = 81;          // qmail.c: what is said of a queue program that was killed
constexpr int cannot_execute = 120;  // qmail.c
constexpr std::size_t read_size = 64U << 10;

// In the child: fds 0, 1 and 6 as qmail-queue(8) has them, nothing else of ours.
[[noreturn]] void become_program(const std::string& program, Fd message, Fd envelope, Fd text) {
  default_signals();
  // Out of the way of the numbers they are to have.
  const int first_free = 10;
  int from[3] = {message.release(), envelope.release(), text.release()};
  constexpr int to[3] = {0, 1, 6};
  for (int& fd : from) {
    fd = fcntl(fd, F_DUPFD_CLOEXEC, first_free);
    if (fd < 0) _exit(cannot_execute);
  }
  for (int i = 0; i < 3; ++i)
    if (dup2(from[i], to[i]) < 0) _exit(cannot_execute);
  // qmail's programs start a relative $QMAILQUEUE from their home.
  if (!program.starts_with('/') && chdir(conf::home) != 0) _exit(cannot_execute);
  char* const argv[] = {const_cast<char*>(program.c_str()), nullptr};
  execv(argv[0], argv);
  _exit(cannot_execute);
}

}  // namespace

GateOrigin local_origin() {
  constexpr std::size_t path_limit = 400, name_limit = 255;  // bytes
  GateOrigin origin;
  origin.script = log_safe(env_or("SCRIPT_FILENAME", ""), path_limit);
  origin.server = log_safe(env_or("SERVER_NAME", ""), name_limit);
  return origin;
}

std::optional<std::string> queue_program() {
  std::optional<std::string> program = env("QMAILQUEUE");
  if (program && !program->empty()) return program;
  const std::string own = std::string(conf::home) + "/bin/qmail-queue";
  char target;
  if (readlink(own.c_str(), &target, 1) > 0) return own;
  return std::nullopt;
}

Submission::~Submission() {
  if (program_ < 0) return;
  // The program must not take the end of its input for the end of a message: the envelope stays broken off.
  message_.reset();
  envelope_.reset();
  text_.reset();
  int status;
  while (waitpid(program_, &status, 0) < 0 && errno == EINTR) {
  }
}

GateResult Submission::open(const GateOrigin& origin) {
  if (const auto program = queue_program()) return start_program(*program);
  gate_ = std::make_unique<Gate>();
  const std::int64_t patience =
      std::min<std::int64_t>(Control().number("timeoutgate", default_timeoutgate), longest_wait);
  GateResult result = gate_->connect(gate_path(), Deadline::in_seconds(patience));
  if (result.ok()) gate_->origin(origin);
  return result;
}

GateResult Submission::start_program(const std::string& program) {
  FdPair message = make_pipe();
  FdPair envelope = make_pipe();
  FdPair text = make_pipe();
  ignore_sigpipe();
  const pid_t pid = fork();
  if (pid < 0) throw_errno("fork");
  if (pid == 0)
    become_program(program, std::move(message.first), std::move(envelope.first), std::move(text.second));
  program_ = pid;
  message_ = std::move(message.second);
  envelope_ = std::move(envelope.second);
  text_ = std::move(text.first);
  return GateResult();
}

void Submission::write_to_program(Fd& fd, std::string_view data) {
  if (write_failed_) return;
  try {
    write_all(fd.get(), data, "queue program");
  } catch (const SystemError&) {  // it has gone: its exit code says why
    write_failed_ = true;
  }
}

void Submission::message(std::string_view piece) {
  if (gate_)
    gate_->message(piece);
  else
    write_to_program(message_, piece);
}

void Submission::sender(std::string_view address, std::string_view params) {
  if (gate_) {
    gate_->end_message();
    gate_->sender(address, params);
    return;
  }
  envelope_bytes_.append("F").append(address).push_back('\0');
}

void Submission::recipient(std::string_view address, std::string_view params) {
  if (gate_) {
    gate_->recipient(address, params);
    return;
  }
  envelope_bytes_.append("T").append(address).push_back('\0');
}

GateResult Submission::commit() {
  if (gate_) return gate_->commit(Deadline::in_seconds(commit_seconds));
  message_.reset();
  envelope_bytes_ += '\0';
  write_to_program(envelope_, envelope_bytes_);
  envelope_.reset();
  return finish_program();
}

GateResult Submission::finish_program() {
  GateResult result;
  result.qp = static_cast<std::uint32_t>(program_);
  const int status = wait_for_child(std::exchange(program_, -1));
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : crashed;
  if (result.code == 0 && write_failed_) result.code = static_cast<int>(QueueExit::broken_off);
  if (result.code == static_cast<int>(QueueExit::custom_text)) {
    // Not to the end: a child of the program may still hold the pipe.
    set_nonblocking(text_.get(), true);
    std::string text(queue_text_limit, '\0');
    const ssize_t n = read(text_.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    result.text = text.substr(0, text.find_first_of("\r\n"));
  }
  return result;
}

void check_queued(const GateResult& result) {
  if (result.ok()) return;
  const std::string report = result.report();
  if (report.front() == 'D') throw PermError(report.substr(1));
  throw TempError(report.substr(1));
}

void submit_rest_of(int fd, Submission& submission) {
  const auto space = std::make_unique<char[]>(read_size);
  while (!submission.refused()) {
    const ssize_t n = read(fd, space.get(), read_size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read message");
    if (n == 0) return;
    submission.message(std::string_view(space.get(), static_cast<std::size_t>(n)));
  }
}

}  // namespace hato

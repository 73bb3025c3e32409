#include "qmail-send/bounce_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/submit.h"

namespace hato {

namespace {

constexpr std::size_t report_head = 8;  // code u32, qp u32, then the text
constexpr std::size_t text_limit = 1000;

GateResult inject(const BounceJob& job, int message) {
  Submission submission;
  GateOrigin origin;
  origin.kind = Kind::bounce;
  origin.trace = job.facts.trace;
  GateResult admitted = submission.open(origin);
  if (!admitted.ok()) return admitted;
  submission.message(bounce_text(job.facts));
  submit_rest_of(message, submission);
  submission.sender(job.sender);
  submission.recipient(job.recipient);
  signal(SIGTERM, SIG_IGN);  // from here on it may be accepted: its outcome has to be told
  return submission.commit();
}

std::string encode_report(std::uint32_t code, std::uint32_t qp, const std::string& text) {
  std::string report;
  put_big(report, code);
  put_big(report, qp);
  return report + text.substr(0, text_limit);
}

// The child's whole life: nothing of qmail-send's stays open in it but the message, the log and the pipe.
[[noreturn]] void run_child(const BounceJob& job, int pipe, pid_t parent) {
  int code = 111;
  try {
    if (!die_with_parent(parent)) _exit(111);
    default_signals();
    Fd message(fcntl(job.message, F_DUPFD_CLOEXEC, 10));
    Fd report_to(fcntl(pipe, F_DUPFD_CLOEXEC, 10));
    move_to(std::move(message), 3);
    move_to(std::move(report_to), 4);
    close_from(5);
    std::string report;
    try {
      const GateResult result = inject(job, 3);
      report = encode_report(static_cast<std::uint32_t>(result.code), result.qp, result.report());
    } catch (const Error& e) {
      report = encode_report(111, 0, "Z" + e.text());
    }
    write_all(4, report, "report");
    code = 0;
  } catch (...) {
    // No report: the parent takes it for a temporary failure.
  }
  _exit(code);
}

BounceOutcome outcome(QueueId id, const std::string& said) {
  if (said.size() < report_head) return {id, 111, 0, "Zthe process that injects it died"};
  return {id, static_cast<int>(get_big<std::uint32_t>(said)), get_big<std::uint32_t>(said, 4),
          said.substr(report_head)};
}

}  // namespace

void BounceSender::start(const BounceJob& job) {
  FdPair pipe = make_pipe();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw_errno("fork");
  if (pid == 0) run_child(job, pipe.second.get(), parent);
  set_nonblocking(pipe.first.get(), true);
  children_.push_back({job.id, std::move(pipe.first), "", pid});
}

void BounceSender::hurry() {
  if (hurried_) return;
  hurried_ = true;
  for (const Child& child : children_) kill(child.pid, SIGTERM);
}

std::vector<int> BounceSender::fds() const {
  std::vector<int> fds;
  for (const Child& child : children_) fds.push_back(child.pipe.get());
  return fds;
}

std::vector<BounceOutcome> BounceSender::collect() {
  std::vector<BounceOutcome> ended;
  for (std::size_t i = 0; i < children_.size();) {
    Child& child = children_[i];
    char space[2048];
    const ssize_t n = read(child.pipe.get(), space, sizeof space);
    if (n > 0) {
      child.said.append(space, static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      ++i;
      continue;
    }
    ended.push_back(outcome(child.id, child.said));
    children_.erase(children_.begin() + static_cast<long>(i));
  }
  return ended;
}

}  // namespace hato

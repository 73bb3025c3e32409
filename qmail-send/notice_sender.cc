#include "qmail-send/notice_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "lib/base/byte_order.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/base/trace.h"
#include "lib/mail/dsn_report.h"
#include "lib/mail/header.h"
#include "lib/mail/qsbmf.h"
#include "lib/net/submit.h"

namespace hato {

namespace {

constexpr std::size_t report_head = 8;  // code u32, qp u32, then the text
constexpr std::size_t text_limit = 1000;
constexpr std::uint32_t it_loops = 1000;  // in the place of a code: a double bounce has come back
constexpr std::size_t read_size = 64U << 10;

// The message, looked through as far as the notice needs it; fd stands at its start again afterwards.
OriginalScan scan(int fd, bool whole) {
  OriginalScan original;
  const off_t start = lseek(fd, 0, SEEK_CUR);
  const auto space = std::make_unique<char[]>(read_size);
  while (whole || !original.header_done()) {
    const ssize_t n = read(fd, space.get(), read_size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read message");
    if (n == 0) break;
    original.feed(std::string_view(space.get(), static_cast<std::size_t>(n)));
  }
  if (lseek(fd, start, SEEK_SET) < 0) throw_errno("seek message");
  return original;
}

bool small_enough(int fd, std::uint64_t limit) {
  struct stat st;
  if (limit == 0) return true;
  if (fstat(fd, &st) != 0) throw_errno("stat message");
  return static_cast<std::uint64_t>(st.st_size - lseek(fd, 0, SEEK_CUR)) <= limit;
}

bool is_own_double_bounce(const OriginalScan& original) {
  return find_field(original.header(), double_bounce_field).has_value();
}

NoticeMessage compose(const NoticeJob& job, const OriginalScan& original, bool whole) {
  if (!job.qsbmf)
    return dsn_report(job.facts, *job.texts, original, whole, "=_" + new_trace_id() + job.facts.id);
  NoticeMessage message;
  message.head = qsbmf_text(job.facts, !whole);
  message.whole = whole;
  if (!whole) message.head += original.header();
  return message;
}

// nullopt: nothing is to be sent.
std::optional<GateResult> inject(const NoticeJob& job, int message) {
  const bool whole = job.whole && small_enough(message, job.whole_limit);
  const OriginalScan original = scan(message, whole && !job.qsbmf);
  if (job.facts.kind == NoticeKind::double_bounce && is_own_double_bounce(original)) return std::nullopt;
  const NoticeMessage notice = compose(job, original, whole);

  Submission submission;
  GateOrigin origin;
  origin.kind = Kind::bounce;
  origin.trace = job.facts.trace;
  GateResult admitted = submission.open(origin);
  if (!admitted.ok()) return admitted;
  submission.message(notice.head);
  if (notice.whole) submit_rest_of(message, submission);
  submission.message(notice.tail);
  submission.sender(job.sender, notice.params);
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
[[noreturn]] void run_child(const NoticeJob& job, int pipe, pid_t parent) {
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
      const std::optional<GateResult> result = inject(job, 3);
      report = result ? encode_report(static_cast<std::uint32_t>(result->code), result->qp, result->report())
                      : encode_report(it_loops, 0, "");
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

NoticeOutcome outcome(QueueId id, const std::string& said) {
  if (said.size() < report_head) return {id, 111, 0, "Zthe process that injects it died"};
  const auto code = get_big<std::uint32_t>(said);
  if (code == it_loops) return {id, 0, 0, "", true};
  return {id, static_cast<int>(code), get_big<std::uint32_t>(said, 4), said.substr(report_head)};
}

}  // namespace

void NoticeSender::start(const NoticeJob& job) {
  FdPair pipe = make_pipe();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw_errno("fork");
  if (pid == 0) run_child(job, pipe.second.get(), parent);
  set_nonblocking(pipe.first.get(), true);
  children_.push_back({job.id, std::move(pipe.first), "", pid});
}

void NoticeSender::hurry() {
  if (hurried_) return;
  hurried_ = true;
  for (const Child& child : children_) kill(child.pid, SIGTERM);
}

std::vector<int> NoticeSender::fds() const {
  std::vector<int> fds;
  for (const Child& child : children_) fds.push_back(child.pipe.get());
  return fds;
}

std::vector<NoticeOutcome> NoticeSender::collect() {
  std::vector<NoticeOutcome> ended;
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

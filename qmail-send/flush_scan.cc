#include "qmail-send/flush_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "lib/base/byte_order.h"
#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/base/process.h"

namespace hato {

namespace {

constexpr std::size_t finding_size = 12;     // id u64, index of the domain u32
constexpr std::size_t write_at = 300;        // findings in one write (below PIPE_BUF)
constexpr std::size_t reads_per_round = 16;  // of the pipe
constexpr int niceness = 10;
constexpr std::uint64_t end_mark = UINT64_MAX;  // in the place of an id: all was looked at

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Child {
 public:
  Child(std::vector<std::string> domains, int pipe) : domains_(std::move(domains)), pipe_(pipe) {}

  void look_through(const QueuePaths& paths) {
    for (unsigned n = 0; n < paths.split; ++n) {
      const std::string directory = paths.queue + "/mess/" + std::to_string(n);
      std::vector<QueueId> ids;
      const Fd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
      read_directory(fd.get(), directory, [&ids](const DirectoryEntry& entry) {
        if (const std::optional<QueueId> id = QueueId::parse(entry.name)) ids.push_back(*id);
      });
      for (const QueueId id : ids) look_at(directory + "/" + id.text(), id);
    }
    report(end_mark, 0);
    flush();
  }

 private:
  void look_at(const std::string& path, QueueId id) try {
    OpenedMessage message;
    std::string why;
    if (open_message(path, message, why) != OpenResult::ok) return;
    for (std::size_t i = 0; i < domains_.size(); ++i)
      for (const Recipient& recipient : message.envelope.recipients)
        if (address_in_domain(recipient.address, domains_[i])) {
          report(id.value(), static_cast<std::uint32_t>(i));
          break;
        }
  } catch (const Error&) {
    // qmail-send will meet the same trouble, and say so, when it opens the message.
  }
  void report(std::uint64_t id, std::uint32_t domain) {
    put_big(findings_, id);
    put_big(findings_, domain);
    if (findings_.size() >= write_at * finding_size) flush();
  }
  void flush() {
    write_all(pipe_, findings_, "findings");
    findings_.clear();
  }

  std::vector<std::string> domains_;
  int pipe_;
  std::string findings_;
};

// The child's whole life: nothing of qmail-send's stays open in it but the log and the pipe.
[[noreturn]] void run_child(const QueuePaths& paths, std::vector<std::string> domains, int pipe,
                            pid_t parent) {
  try {
    if (!die_with_parent(parent)) _exit(111);
    default_signals();
    move_to(Fd(fcntl(pipe, F_DUPFD_CLOEXEC, 10)), 3);
    close_from(4);
    [[maybe_unused]] const int now = nice(niceness);
    Child(std::move(domains), 3).look_through(paths);
    _exit(0);
  } catch (...) {
    // Without an end mark the parent knows that not all was looked at.
  }
  _exit(111);
}

}  // namespace

bool FlushScan::ask(const std::string& domain, const Ticket& ticket) {
  if (running_.size() + waiting_.size() >= flush_domains) return false;
  waiting_.push_back({domain, ticket, steady_ms() + flush_patience_ms});
  return true;
}

void FlushScan::start(const QueuePaths& paths) {
  if (pipe_ || waiting_.empty() || !running_.empty()) return;
  running_ = std::move(waiting_);
  waiting_.clear();
  std::vector<std::string> domains;
  for (const Wanted& wanted : running_) domains.push_back(wanted.domain);
  try {
    FdPair pipe = make_pipe();
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) throw_errno("fork");
    if (pid == 0) run_child(paths, std::move(domains), pipe.second.get(), parent);
    set_nonblocking(pipe.first.get(), true);
    pipe_ = std::move(pipe.first);
  } catch (const Error&) {
    for (Wanted& wanted : running_) wanted.complete = wanted.failed = true;
    throw;
  }
}

std::vector<QueueId> FlushScan::collect() {
  std::vector<QueueId> found;
  bool ended = false;
  for (std::size_t i = 0; i < reads_per_round && !ended; ++i) {
    char space[4096];
    const ssize_t n = read(pipe_.get(), space, sizeof space);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n > 0) said_.append(space, static_cast<std::size_t>(n));
    ended = n <= 0;
  }
  std::size_t at = 0;
  bool complete = false;
  for (; said_.size() - at >= finding_size; at += finding_size) {
    const std::uint64_t id = get_big<std::uint64_t>(said_, at);
    const std::uint32_t index = get_big<std::uint32_t>(said_, at + 8);
    complete = id == end_mark;
    if (complete || index >= running_.size()) continue;
    ++running_[index].found;
    found.emplace_back(id);
  }
  said_.erase(0, at);
  if (complete || ended) {
    pipe_.reset();
    said_.clear();
    for (Wanted& wanted : running_) wanted.complete = true, wanted.failed = !complete;
  }
  return found;
}

std::vector<FlushScan::Answered> FlushScan::answers() {
  std::vector<Answered> answered;
  const std::int64_t now = steady_ms();
  for (std::vector<Wanted>* list : {&running_, &waiting_})
    for (Wanted& wanted : *list) {
      if (wanted.answered || (!wanted.complete && wanted.until > now)) continue;
      wanted.answered = true;
      if (wanted.failed)
        answered.push_back(
            {wanted.ticket, {RequestOutcome::failed, 0, "the queue cannot be looked through"}});
      else
        answered.push_back(
            {wanted.ticket,
             {wanted.complete ? RequestOutcome::done : RequestOutcome::begun, wanted.found, ""}});
    }
  if (!pipe_) running_.clear();
  return answered;
}

int FlushScan::patience_ms() const {
  std::int64_t until = -1;
  for (const std::vector<Wanted>* list : {&running_, &waiting_})
    for (const Wanted& wanted : *list)
      if (!wanted.answered && (until < 0 || wanted.until < until)) until = wanted.until;
  if (until < 0) return -1;
  return static_cast<int>(std::max<std::int64_t>(until - steady_ms(), 0));
}

}  // namespace hato

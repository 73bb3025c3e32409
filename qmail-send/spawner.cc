#include "qmail-send/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <list>
#include <unordered_map>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"

namespace hato {

namespace {

volatile sig_atomic_t a_child_died = 0;  // set by the handler

void note_child(int) {
  a_child_died = 1;
}

constexpr rlim_t fds_of_our_own = 32;    // sockets, logs, users/cdb, one request being taken
constexpr rlim_t fds_of_a_delivery = 2;  // message and pipe
// Most deliveries are over sooner than this and say less than a pipe holds: their pipes are looked at once,
// when they are dead, which spares two of three wake-ups. Only a slower one's pipe is polled while it runs.
constexpr auto unwatched_time = std::chrono::milliseconds(100);
constexpr std::size_t short_text = 4000;  // a report that the socket has no room for is cut to this

struct Delivery {
  DeliveryRequest request;
  Fd message;
  Fd output;       // our end of the pipe
  StartNote note;  // of the program that runs
  std::string name;
  std::string text;
  std::size_t text_limit = 0;
  bool watched = false;  // its pipe is polled
};

class Spawner {
 public:
  Spawner(int socket, Deliverer& deliverer) : socket_(socket), deliverer_(deliverer) {
    set_nonblocking(socket_, true);
    null_ = open_file("/dev/null", O_RDONLY);
    raise_open_files();
    watch_children();
  }

  void serve() {
    while (open_ || !running_.empty()) {
      wait();
      if (a_child_died) {
        a_child_died = 0;
        reap();
      }
    }
  }

 private:
  // As many descriptors as the hard limit allows; programs get the soft limit back that was there.
  void raise_open_files() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    const rlim_t before = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    if (before < files.rlim_max && setrlimit(RLIMIT_NOFILE, &files) == 0)
      soft_files_ = before;
    else
      files.rlim_cur = before;
    const rlim_t room = files.rlim_cur > fds_of_our_own ? files.rlim_cur - fds_of_our_own : 0;
    max_running_ = std::max<rlim_t>(room / fds_of_a_delivery, 1);
  }

  // SIGCHLD comes through only while ppoll waits.
  void watch_children() {
    ignore_sigpipe();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &while_waiting_);
    sigdelset(&while_waiting_, SIGCHLD);
    struct sigaction note {};
    note.sa_handler = note_child;
    sigaction(SIGCHLD, &note, nullptr);
  }

  void wait() {
    polls_.clear();
    watched_.clear();
    short want = 0;
    if (open_ && running_.size() < max_running_) want |= POLLIN;
    if (open_ && !reports_.empty()) want |= POLLOUT;
    polls_.push_back({open_ ? socket_ : -1, want, 0});
    if (watch_all_at_ && watch_all_at_->passed()) {
      for (Delivery& delivery : running_) delivery.watched = true;
      watch_all_at_.reset();
    }
    bool all_watched = true;
    for (Delivery& delivery : running_) {
      all_watched &= delivery.watched;
      if (!delivery.watched || !delivery.output) continue;
      polls_.push_back({delivery.output.get(), POLLIN, 0});
      watched_.push_back(&delivery);
    }
    if (!all_watched && !watch_all_at_) watch_all_at_ = Deadline::in(unwatched_time);
    if (all_watched) watch_all_at_.reset();
    timespec until_watch{};
    if (watch_all_at_) until_watch.tv_nsec = watch_all_at_->poll_ms() * 1000000L;
    if (ppoll(polls_.data(), polls_.size(), watch_all_at_ ? &until_watch : nullptr, &while_waiting_) < 0) {
      if (errno != EINTR) throw_errno("poll");
      return;
    }
    for (std::size_t i = 0; i < watched_.size(); ++i)
      if (polls_[i + 1].revents != 0) read_output(*watched_[i]);
    if (polls_[0].revents & POLLOUT) send_reports();
    if (polls_[0].revents & (POLLIN | POLLHUP | POLLERR)) take_next_request();
  }

  void take_next_request() {
    std::optional<Message> packet;
    try {
      packet = receive_message(socket_, delivery_request_limit);
    } catch (const SystemError& e) {
      // Trouble with one packet passes; a descriptor that is no socket never will.
      if (e.error() == ENOTSOCK || e.error() == EBADF || e.error() == ENOTCONN)
        throw TempError("descriptor 0 is no socket: qmail-start starts the spawners");
      log_line(2, "warning: request of qmail-send lost: " + e.text());
      return;
    } catch (const TempError& e) {
      log_line(2, "warning: request of qmail-send lost: " + e.text());
      return;
    }
    if (!packet) return;
    if (!packet->data.empty()) return take_request(*packet);
    open_ = false;
    reports_.clear();
  }

  void take_request(Message& packet) {
    std::optional<DeliveryRequest> request = decode_request(packet.data);
    if (!request) {
      if (const std::optional<std::uint32_t> number = delivery_number(packet.data))
        report(*number, {'Z', "Internal error: unintelligible delivery request. (#4.3.5)\n"});
      return;
    }
    struct stat status {};
    if (packet.fd_count != 1 || fstat(packet.fds[0].get(), &status) != 0 || !S_ISREG(status.st_mode))
      return report(request->delivery, {'Z', "Sorry, message has wrong type. (#4.3.5)\n"});

    Delivery delivery;
    delivery.request = std::move(*request);
    delivery.message = std::move(packet.fds[0]);
    Next next = next_of([&] { return deliverer_.begin(delivery.request); });
    go_on(std::move(delivery), std::move(next));
  }

  // A deliverer's exception is a deferral with its text.
  template <typename Ask>
  Next next_of(Ask ask) {
    try {
      return ask();
    } catch (const Error& e) {
      return Verdict{'Z', e.text() + "\n"};
    }
  }

  void go_on(Delivery delivery, Next next) {
    if (Verdict* verdict = std::get_if<Verdict>(&next)) return report(delivery.request.delivery, *verdict);
    Run& run = std::get<Run>(next);
    FdPair pipe;
    StartNote note;
    try {
      pipe = make_pipe();
      note = notes_.take();
    } catch (const SystemError& e) {
      log_line(2, "warning: " + e.text());
      return report(delivery.request.delivery, {'Z', "Unable to create pipe. (#4.3.0)\n"});
    }
    run.program.in = run.takes_message ? delivery.message.get() : null_.get();
    run.program.out = pipe.second.get();
    run.program.err = run.errors_to_output ? pipe.second.get() : 2;
    run.program.open_files = soft_files_;
    const pid_t pid = start_program(run.program, note);
    if (pid < 0) {
      log_line(2, "warning: fork: " + errno_text(errno));
      return report(delivery.request.delivery, {'Z', "Unable to fork. (#4.3.0)\n"});
    }
    if (run.takes_message) delivery.message.reset();
    delivery.output = std::move(pipe.first);
    delivery.note = std::move(note);
    delivery.name = run.name;
    delivery.text.clear();
    delivery.text_limit = run.output_limit;
    delivery.watched = false;
    running_.push_back(std::move(delivery));
    by_pid_[pid] = std::prev(running_.end());
  }

  Verdict not_started(const Delivery& delivery) {
    log_line(2, "alert: unable to run " + delivery.name + ": " + delivery.note.step() + ": " +
                    errno_text(delivery.note.error()));
    return {'Z', "Unable to run " + delivery.name + ". (#4.3.0)\n"};
  }

  // One read of what the pipe holds, of which as much as fits is kept. Returns its size, 0 at the end: then
  // the pipe is closed; the program may live on without it.
  std::size_t read_output(Delivery& delivery) {
    char space[16384];
    const ssize_t n = read(delivery.output.get(), space, sizeof space);
    if (n < 0 && errno == EINTR) return 0;
    if (n <= 0) {
      delivery.output.reset();
      return 0;
    }
    const std::size_t size = static_cast<std::size_t>(n);
    delivery.text.append(space, std::min(delivery.text_limit - delivery.text.size(), size));
    return size;
  }

  // What the dead program left in the pipe, and not a byte more: somebody else may hold the other end and
  // write on.
  void drain(Delivery& delivery) {
    int left = 0;
    if (delivery.output && ioctl(delivery.output.get(), FIONREAD, &left) != 0) left = 0;
    while (delivery.output && left > 0) left -= static_cast<int>(read_output(delivery));
    delivery.output.reset();
  }

  void reap() {
    while (!running_.empty()) {
      int status;
      const pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
      if (pid <= 0) return;
      if (WIFSTOPPED(status)) {  // by its user, who would hold a delivery's place and the message for ever
        kill(pid, SIGKILL);
        continue;
      }
      const auto found = by_pid_.find(pid);
      if (found == by_pid_.end()) continue;
      Delivery delivery = std::move(*found->second);
      running_.erase(found->second);
      by_pid_.erase(found);
      if (delivery.note.error() != 0) {
        report(delivery.request.delivery, not_started(delivery));
        continue;
      }
      drain(delivery);
      const Ended ended{delivery.name, status, std::move(delivery.text)};
      Next next = next_of([&] { return deliverer_.ended(delivery.request, ended); });
      go_on(std::move(delivery), std::move(next));
    }
  }

  void report(std::uint32_t number, const Verdict& verdict) {
    if (!open_) return;
    reports_.push_back(encode_report({number, verdict.status, verdict.text}));
    send_reports();
  }

  void send_reports() {
    while (!reports_.empty()) {
      try {
        if (!send_message(socket_, reports_.front())) {
          open_ = false;
          reports_.clear();
          return;
        }
      } catch (const SystemError& e) {
        if (e.error() == EAGAIN || e.error() == ENOBUFS || e.error() == ENOMEM) return;
        if (e.error() != EMSGSIZE || reports_.front().size() <= short_text) throw;
        reports_.front().resize(short_text);
        continue;
      }
      reports_.pop_front();
    }
  }

  int socket_;
  Deliverer& deliverer_;
  Fd null_;
  bool open_ = true;
  std::optional<rlim_t> soft_files_;
  std::size_t max_running_ = 1;
  sigset_t while_waiting_{};
  StartNotes notes_;
  std::list<Delivery> running_;
  std::unordered_map<pid_t, std::list<Delivery>::iterator> by_pid_;
  std::deque<std::string> reports_;
  std::vector<pollfd> polls_;  // the socket, then the pipes of watched_
  std::vector<Delivery*> watched_;
  std::optional<Deadline> watch_all_at_;
};

}  // namespace

void serve_deliveries(int socket, Deliverer& deliverer) {
  Spawner(socket, deliverer).serve();
}

bool split_address(std::string_view address, std::string& local, std::string& domain) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return false;
  local = address.substr(0, at);
  domain = address.substr(at + 1);
  return true;
}

std::vector<std::string> delivery_environment(const DeliveryRequest& request) {
  std::vector<std::string> env;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) env.push_back(std::string(name) + "=" + value);
  };
  add(env_trace, request.trace);
  add(env_message_params, request.message_params);
  add(env_recipient_params, request.recipient_params);
  return env;
}

}  // namespace hato

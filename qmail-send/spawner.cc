#include "qmail-send/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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
constexpr rlim_t fds_of_a_delivery = 3;  // message, pipe, agent's socket
// Most deliveries are over sooner than this and say less than a pipe holds: their pipes are looked at once,
// when they are dead, which spares two of three wake-ups. Only a slower one's pipe is polled while it runs.
constexpr auto unwatched_time = std::chrono::milliseconds(100);
constexpr std::size_t short_text = 4000;  // a report that the socket has no room for is cut to this

// A program that was started.
struct Child {
  pid_t pid = -1;
  Fd output;       // our end of the pipe
  Fd agent;        // our end of its socket, when it may be an agent
  StartNote note;  // to be kept until it is dead
  std::string name;
  std::string agent_key;
  std::chrono::milliseconds idle{0};
};

struct Delivery {
  DeliveryRequest request;
  Fd message;
  Child child;
  std::string text;
  std::size_t text_limit = 0;
  bool watched = false;  // its pipe is polled
  Deadline end = Deadline::never();
  std::chrono::seconds life{0};
  bool given = false;  // to an agent that was there: `message` is kept in case that it never saw it
};

// An agent without work.
struct Idle {
  Child child;
  Deadline until;
};

class Spawner {
 public:
  Spawner(int socket, Deliverer& deliverer, std::size_t most_idle)
      : socket_(socket), deliverer_(deliverer), most_idle_(most_idle) {
    set_nonblocking(socket_, true);
    null_ = open_file("/dev/null", O_RDONLY);
    agents_ = Fd(epoll_create1(EPOLL_CLOEXEC));
    if (!agents_) throw_errno("epoll_create1");
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
      dismiss_idle();
      if (first_end_.passed()) end_overdue();
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
    polls_.push_back({agents_.get(), POLLIN, 0});
    if (watch_all_at_ && watch_all_at_->passed()) {
      for (Delivery& delivery : running_) delivery.watched = true;
      watch_all_at_.reset();
    }
    bool all_watched = true;
    first_end_ = Deadline::never();
    for (Delivery& delivery : running_) {
      first_end_ = earlier(first_end_, delivery.end);
      all_watched &= delivery.watched;
      if (!delivery.watched || !delivery.child.output) continue;
      polls_.push_back({delivery.child.output.get(), POLLIN, 0});
      watched_.push_back(&delivery);
    }
    if (!all_watched && !watch_all_at_) watch_all_at_ = Deadline::in(unwatched_time);
    if (all_watched) watch_all_at_.reset();
    const int ms = wake_at().poll_ms();
    const timespec time{ms / 1000, ms % 1000 * 1000000L};
    if (ppoll(polls_.data(), polls_.size(), ms < 0 ? nullptr : &time, &while_waiting_) < 0) {
      if (errno != EINTR) throw_errno("poll");
      return;
    }
    for (std::size_t i = 0; i < watched_.size(); ++i)
      if (polls_[i + of_our_own].revents != 0) read_output(*watched_[i]);
    if (polls_[0].revents & POLLOUT) send_reports();
    if (polls_[1].revents != 0) hear_agents();
    if (polls_[0].revents & (POLLIN | POLLHUP | POLLERR)) take_next_request();
  }

  Deadline wake_at() const {
    const Deadline at = earlier(watch_all_at_.value_or(Deadline::never()), first_end_);
    return idle_.empty() ? at : earlier(at, idle_.front().until);
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
    hang_up();
  }

  // qmail-send is gone: what is under way ends, and nothing is begun.
  void hang_up() {
    open_ = false;
    reports_.clear();
    while (!idle_.empty()) dismiss(idle_.begin());
  }

  void take_request(Message& packet) {
    std::optional<DeliveryRequest> request = decode_request(packet.data);
    if (!request) {
      if (const std::optional<std::uint32_t> number = delivery_number(packet.data))
        report(*number, {'Z', "Internal error: unintelligible delivery request. (#4.3.5)\n"});
      return;
    }
    if (packet.fd_count == 1 && !packet.fds[0])
      return report(request->delivery,
                    {'Z', "Unable to take the message: " + errno_text(EMFILE) + ". (#4.3.0)\n"});
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
    delivery.text.clear();
    delivery.text_limit = run.output_limit;
    delivery.watched = false;
    delivery.life = run.life;
    delivery.end = run.life.count() > 0 ? Deadline::in(run.life) : Deadline::never();
    delivery.given = give_to_idle(delivery, run);
    if (!delivery.given && !start(delivery, run)) return;
    if (run.takes_message && !delivery.given) delivery.message.reset();
    const pid_t pid = delivery.child.pid;
    running_.push_back(std::move(delivery));
    by_pid_[pid] = std::prev(running_.end());
  }

  // False: reported.
  bool start(Delivery& delivery, Run& run) {
    // One that waits has descriptors, too, which are for work first.
    if (!idle_.empty() && running_.size() + idle_.size() >= max_running_) dismiss(idle_.begin());
    FdPair pipe, agent;
    StartNote note;
    try {
      pipe = make_pipe();
      if (!run.agent.key.empty()) agent = make_socketpair(SOCK_SEQPACKET);
      note = notes_.take();
    } catch (const SystemError& e) {
      log_line(2, "warning: " + e.text());
      report(delivery.request.delivery, {'Z', "Unable to create pipe. (#4.3.0)\n"});
      return false;
    }
    run.program.in = run.takes_message ? delivery.message.get() : null_.get();
    run.program.out = pipe.second.get();
    run.program.err = run.errors_to_output ? pipe.second.get() : 2;
    run.program.open_files = soft_files_;
    if (agent.second) {
      run.program.three = agent.second.get();
      const unsigned messages = run.agent.keep ? run.agent.messages : 1;
      run.program.env.push_back(std::string(env_agent) + "=" + std::to_string(messages) + " " +
                                std::to_string(run.agent.seconds));
    }
    const pid_t pid = start_program(run.program, note);
    if (pid < 0) {
      log_line(2, "warning: fork: " + errno_text(errno));
      report(delivery.request.delivery, {'Z', "Unable to fork. (#4.3.0)\n"});
      return false;
    }
    delivery.child = Child{pid,      std::move(pipe.first), std::move(agent.first), std::move(note),
                           run.name, run.agent.key,         run.agent.idle};
    if (delivery.child.agent) listen_to(delivery.child);
    return true;
  }

  void listen_to(const Child& child) {
    set_nonblocking(child.agent.get(), true);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<std::uint64_t>(child.pid);
    if (epoll_ctl(agents_.get(), EPOLL_CTL_ADD, child.agent.get(), &event) != 0) throw_errno("epoll_ctl");
  }

  // To the agent of this key that has worked last: the others may end. False: there is none.
  bool give_to_idle(Delivery& delivery, const Run& run) {
    if (run.agent.key.empty()) return false;
    for (auto idle = idle_.end(); idle != idle_.begin();) {
      --idle;
      if (idle->child.agent_key != run.agent.key) continue;
      const std::vector<std::string> args(run.program.args.begin() + 1, run.program.args.end());
      const int message = delivery.message.get();
      bool sent = false;
      try {
        sent = send_message(idle->child.agent.get(), encode_job({!run.agent.keep, args, run.program.env}),
                            &message, 1);
      } catch (const Error& e) {
        log_line(2, "warning: agent's job: " + e.text());
      }
      if (sent) {
        delivery.child = std::move(idle->child);
        idle_.erase(idle);
        return true;
      }
      const auto next = std::next(idle);  // it was killed
      dismiss(idle);
      idle = next;
    }
    return false;
  }

  void hear_agents() {
    epoll_event events[64];
    const int n = epoll_wait(agents_.get(), events, 64, 0);
    for (int i = 0; i < n; ++i) {
      const auto found = by_pid_.find(static_cast<pid_t>(events[i].data.u64));
      if (found != by_pid_.end())
        hear_agent(found->second);
      else
        forget_idle(static_cast<pid_t>(events[i].data.u64));
    }
  }

  void hear_agent(std::list<Delivery>::iterator at) {
    static char space[agent_report_limit + 1];
    const ssize_t n = recv(at->child.agent.get(), space, sizeof space, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // Reset instead of closed: it was killed, and the job lay unread (unix(7)).
    if (n < 0 && errno == ECONNRESET && at->given) return begin_again(at);
    if (n <= 0) {  // closed: it is no agent, or dead; its end says the rest
      at->child.agent.reset();
      return;
    }
    std::optional<AgentReport> said = decode_agent_report({space, static_cast<std::size_t>(n)});
    Delivery delivery = std::move(*at);
    by_pid_.erase(delivery.child.pid);
    running_.erase(at);
    const bool stays = said && said->stays && open_;
    // A packet that is none is as good as a crash.
    const int status = said ? W_EXITCODE(said->exit_code, 0) : SIGKILL;
    if (!said) said = AgentReport{};
    const Ended ended{delivery.child.name, status, std::move(said->output), said->host};
    Child child = std::move(delivery.child);
    if (stays) {
      const Deadline until = Deadline::in(child.idle);
      idle_.push_back({std::move(child), until});
      if (idle_.size() > most_idle_) dismiss(idle_.begin());
    } else {
      leave(std::move(child));
    }
    Next next = next_of([&] { return deliverer_.ended(delivery.request, ended); });
    go_on(std::move(delivery), std::move(next));
  }

  void begin_again(std::list<Delivery>::iterator at) {
    Delivery delivery = std::move(*at);
    by_pid_.erase(delivery.child.pid);
    running_.erase(at);
    leave(std::exchange(delivery.child, Child()));
    Next next = next_of([&] { return deliverer_.begin(delivery.request); });
    go_on(std::move(delivery), std::move(next));
  }

  // Some hang where not even SIGKILL reaches them: their place is free all the same.
  void end_overdue() {
    first_end_ = Deadline::never();
    for (auto at = running_.begin(); at != running_.end();) {
      const auto overdue = at++;
      if (!overdue->end.passed()) continue;
      Delivery delivery = std::move(*overdue);
      running_.erase(overdue);
      by_pid_.erase(delivery.child.pid);
      kill(delivery.child.pid, SIGKILL);
      const std::string after = std::to_string(delivery.life.count()) + " seconds";
      log_line(2, "warning: " + delivery.child.name + " killed after " + after);
      const std::string text =
          delivery.child.name + " was killed: it had not ended after " + after + ". (#4.3.0)\n";
      leave(std::move(delivery.child));
      report(delivery.request.delivery, {'Z', text});
    }
  }

  // Closes its socket, whereupon it ends; only its note is kept until then.
  void leave(Child child) {
    child.agent.reset();
    child.output.reset();
    leaving_[child.pid] = std::move(child.note);
  }

  void dismiss(std::list<Idle>::iterator idle) {
    leave(std::move(idle->child));
    idle_.erase(idle);
  }

  void dismiss_idle() {
    while (!idle_.empty() && idle_.front().until.passed()) dismiss(idle_.begin());
  }

  void forget_idle(pid_t pid) {
    for (auto idle = idle_.begin(); idle != idle_.end(); ++idle)
      if (idle->child.pid == pid) return dismiss(idle);
  }

  Verdict not_started(const Delivery& delivery) {
    log_line(2, "alert: unable to run " + delivery.child.name + ": " + delivery.child.note.step() + ": " +
                    errno_text(delivery.child.note.error()));
    return {'Z', "Unable to run " + delivery.child.name + ". (#4.3.0)\n"};
  }

  // One read of what the pipe holds, of which as much as fits is kept. Returns its size, 0 at the end: then
  // the pipe is closed; the program may live on without it.
  std::size_t read_output(Delivery& delivery) {
    char space[16384];
    const ssize_t n = read(delivery.child.output.get(), space, sizeof space);
    if (n < 0 && errno == EINTR) return 0;
    if (n <= 0) {
      delivery.child.output.reset();
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
    if (delivery.child.output && ioctl(delivery.child.output.get(), FIONREAD, &left) != 0) left = 0;
    while (delivery.child.output && left > 0) left -= static_cast<int>(read_output(delivery));
    delivery.child.output.reset();
  }

  void reap() {
    for (;;) {
      int status;
      const pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
      if (pid <= 0) return;
      if (WIFSTOPPED(status)) {  // by its user, who would hold a delivery's place and the message for ever
        kill(pid, SIGKILL);
        continue;
      }
      // An agent's last word may be unread still.
      if (const auto found = by_pid_.find(pid); found != by_pid_.end() && found->second->child.agent)
        hear_agent(found->second);
      if (leaving_.erase(pid) > 0) continue;
      const auto found = by_pid_.find(pid);
      if (found == by_pid_.end()) {
        forget_idle(pid);
        leaving_.erase(pid);
        continue;
      }
      Delivery delivery = std::move(*found->second);
      running_.erase(found->second);
      by_pid_.erase(found);
      if (delivery.child.note.error() != 0) {
        report(delivery.request.delivery, not_started(delivery));
        continue;
      }
      drain(delivery);
      // An agent that says nothing of a job that it was given has not done it, whatever its exit code.
      const int how = delivery.given && WIFEXITED(status) ? SIGKILL : status;
      const Ended ended{delivery.child.name, how, std::move(delivery.text)};
      delivery.child = Child();
      Next next = next_of([&] { return deliverer_.ended(delivery.request, ended); });
      go_on(std::move(delivery), std::move(next));
    }
  }

  void report(std::uint32_t number, const Verdict& verdict) {
    if (!open_) return;
    reports_.push_back(encode_report({number, verdict.status, verdict.text, verdict.host}));
    send_reports();
  }

  void send_reports() {
    while (!reports_.empty()) {
      try {
        if (!send_message(socket_, reports_.front())) {
          hang_up();
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
  const std::size_t most_idle_;
  Fd null_;
  bool open_ = true;
  std::optional<rlim_t> soft_files_;
  std::size_t max_running_ = 1;
  sigset_t while_waiting_{};
  Fd agents_;  // epoll: the sockets of agents, by pid
  StartNotes notes_;
  std::list<Delivery> running_;
  std::list<Idle> idle_;  // the longest idle first
  std::unordered_map<pid_t, StartNote> leaving_;
  std::unordered_map<pid_t, std::list<Delivery>::iterator> by_pid_;
  std::deque<std::string> reports_;
  static constexpr std::size_t of_our_own = 2;
  std::vector<pollfd> polls_;  // the socket, agents_, then the pipes of watched_
  std::vector<Delivery*> watched_;
  std::optional<Deadline> watch_all_at_;
  Deadline first_end_ = Deadline::never();
};

}  // namespace

void serve_deliveries(int socket, Deliverer& deliverer, std::size_t most_idle) {
  Spawner(socket, deliverer, most_idle).serve();
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
  add(env_try_dead, request.try_dead ? "1" : "");
  return env;
}

}  // namespace hato

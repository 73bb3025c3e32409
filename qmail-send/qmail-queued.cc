// qmail-queued: behind the gate, the only writer of the queue. man/qmail-queued.8
//
// Three kinds of process. The supervisor (here) holds the listening sockets, reads the configuration and
// starts a new acceptor when that has changed or the old one died. The acceptor is sealed and gives each
// sender a worker.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "qmail-send/gate_acceptor.h"
#include "qmail-send/gate_sockets.h"
#include "qmail-send/spool_file.h"

namespace hato {
namespace {

constexpr int lock_seconds = 2;      // how long to wait for the end of an earlier gate
constexpr int look_every_ms = 5000;  // how soon a change of the configuration is noticed without SIGHUP

volatile sig_atomic_t stop = 0, reload = 0;
void on_signal(int number) {
  if (number == SIGTERM || number == SIGINT) stop = 1;
  if (number == SIGHUP) reload = 1;
}

void log(const std::string& what) {
  log_line(2, "qmail-queued: " + what);
}

// The queue's highest ID, from directory entries alone.
void note_ids(const std::string& directory, GateSlots& slots) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(directory.c_str()), closedir);
  if (!entries) throw_errno("open " + directory);
  while (const dirent* entry = readdir(entries.get()))
    if (const std::optional<QueueId> id = QueueId::parse(entry->d_name)) slots.id_seen(*id);
}

// Changes when a file that read_gate_settings reads was changed, made or removed.
std::string configuration_stamp(const Control& control) {
  std::string stamp;
  for (const std::string& path :
       {control.path("me"), control.path("defaulthost"), control.path("defaultdomain"),
        control.path("plusdomain"), control.path("idhost"), control.path("databytes"),
        control.path("queuefree"), control.path("timeoutqueue"), control.path("timeoutcontent"),
        control.path("gatepools"), control.path("reusegate"), control.path("content"),
        control.path("gateclaim"), control.path("cgisenders"), control.path("showorigin"), users_cdb_path(),
        accounts_cdb_path(), std::string("/etc/passwd")}) {
    struct stat st;
    if (stat(path.c_str(), &st) != 0) st = {};
    stamp += std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec) + "." +
             std::to_string(st.st_ino) + "." + std::to_string(st.st_size) + " ";
  }
  return stamp;
}

class Supervisor {
 public:
  Supervisor(GateSockets sockets, GateSettings settings)
      : sockets_(std::move(sockets)),
        settings_(std::move(settings)),
        slots_(settings_.pool_all + waiting_limit + 64),  // 64: of acceptors that retire
        requests_(make_socketpair(SOCK_DGRAM)),
        new_directory_(open_file(paths_.fresh(), O_RDONLY | O_DIRECTORY)),
        // Read-write, so that opening needs no reader; a full FIFO is no harm, qmail-send scans when it
        // starts.
        trigger_(open_file(paths_.lock("trigger"), O_RDWR | O_NONBLOCK)) {
    note_ids(paths_.fresh(), slots_);
    for (unsigned n = 0; n < paths_.split; ++n) note_ids(paths_.queue + "/mess/" + std::to_string(n), slots_);
    remove_leftovers(paths_.fresh());
    set_nonblocking(requests_.first.get(), true);
  }

  int run(const sigset_t& waiting_mask) {
    stamp_ = configuration_stamp(control_);
    start_acceptor();
    while (!stop) {
      pollfd p{requests_.first.get(), POLLIN, 0};
      const timespec wait{look_every_ms / 1000, 0};
      ppoll(&p, 1, &wait, &waiting_mask);
      answer_requests();
      reap();
      take_changes();
    }
    for (const std::string& path : sockets_.own) unlink(path.c_str());
    sockets_.listening.clear();
    if (acceptor_ > 0) kill(acceptor_, SIGTERM);
    for (const pid_t retired : retired_) kill(retired, SIGTERM);
    while (acceptor_ > 0 || !retired_.empty()) {
      pollfd p{requests_.first.get(), POLLIN, 0};
      const timespec tick{1, 0};
      ppoll(&p, 1, &tick, &waiting_mask);
      answer_requests();
      reap();
    }
    return 0;
  }

 private:
  void start_acceptor() {
    // Workers of an acceptor that was killed may have ended between giving a message its name and saying so.
    [[maybe_unused]] const ssize_t pulled = write(trigger_.get(), "\n", 1);
    const pid_t parent = getpid();
    acceptor_ = fork_child("qmail-queued", [&]() -> int {
      std::vector<Fd> listening;
      for (Fd& fd : sockets_.listening) listening.push_back(std::move(fd));
      requests_.first.reset();
      const WorkerPlace place{new_directory_.get(), trigger_.get(), requests_.second.get()};
      return accept_senders(std::move(listening), slots_, settings_, place, parent);
    });
    acceptor_since_ = now_seconds();
  }

  // The sealed workers ask for two things they cannot do: a read-only descriptor of their spool file (r), and
  // taking the name of a message away whose directory could not be synced (u).
  void answer_requests() {
    for (;;) {
      std::optional<Message> request;
      try {
        request = receive_message(requests_.first.get(), 64);
      } catch (const Error& e) {
        log("request: " + e.text());
        continue;
      }
      if (!request || request->data.empty()) return;
      const bool two = request->fd_count == 2 && request->fds[1];
      if (request->data[0] == 'r' && two) reopen(request->fds[0].get(), request->fds[1].get());
      if (request->data[0] == 'u')
        if (const auto id = QueueId::parse(request->data.substr(1))) unlink(paths_.fresh(*id).c_str());
    }
  }

  static void reopen(int fd, int answer_to) {
    struct stat st;
    const bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);  // a FIFO would hold the supervisor up
    const Fd readable = file ? try_open("/proc/self/fd/" + std::to_string(fd), O_RDONLY) : Fd();
    if (!readable) {
      log("reopen a message: " + errno_text(errno));
      return;
    }
    const int one = readable.get();
    send_message(answer_to, "ok", &one, 1);
  }

  void reap() {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      // Its workers die with it; one that was stopped has given those up that are not done.
      for (const QueueId id : slots_.release_of(pid)) unlink(paths_.fresh(id).c_str());
      if (pid != acceptor_) {
        retired_.erase(pid);
        continue;
      }
      acceptor_ = 0;
      if (stop) continue;
      log("the acceptor ended with wait status " + std::to_string(status) + "; starting another");
      if (now_seconds() - acceptor_since_ < 1) sleep(1);
      start_acceptor();
    }
  }

  void take_changes() {
    std::string stamp = configuration_stamp(control_);
    if (stop || (!reload && stamp == stamp_)) return;
    reload = 0;
    stamp_ = std::move(stamp);
    try {
      settings_ = read_gate_settings(control_);
    } catch (const Error& e) {
      log("keeping the old configuration: " + e.text());
      return;
    }
    log("configuration read anew");
    const pid_t old = acceptor_;
    start_acceptor();  // first the new one, so that somebody always accepts
    if (old > 0) {
      retired_.insert(old);
      kill(old, retire_signal);
    }
  }

  const Control control_;
  const QueuePaths paths_;
  GateSockets sockets_;
  GateSettings settings_;
  GateSlots slots_;
  FdPair requests_;  // first: ours; second: the workers'
  Fd new_directory_, trigger_;
  std::string stamp_;
  pid_t acceptor_ = 0;
  std::set<pid_t> retired_;  // acceptors that only wait for their workers
  std::int64_t acceptor_since_ = 0;
};

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-queued (no arguments; see qmail-queued(8))");
  ensure_standard_fds();
  umask(0);
  ignore_sigpipe();
  const Control control;
  std::vector<std::string> paths{gate_path()};
  for (std::string& path : control.lines("gates").value_or(std::vector<std::string>()))
    paths.push_back(std::move(path));

  // A gate that is being stopped keeps this until its last worker is done; one that was killed, until the
  // kernel has ended its workers, too. Not HOME/gate: every user can open that, and so could hold its lock.
  const Fd lock = open_file(QueuePaths().fresh(), O_RDONLY | O_DIRECTORY);
  const Deadline patience = Deadline::in_seconds(lock_seconds);
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (patience.passed()) throw TempError("another qmail-queued serves this gate");
    const timespec pause{0, 50 * 1000 * 1000};
    nanosleep(&pause, nullptr);
  }
  GateSockets sockets = open_gate(paths);
  drop_root_to(conf::user_qmailq);

  struct sigaction action {};
  action.sa_handler = on_signal;
  sigset_t blocked, waiting;
  sigemptyset(&blocked);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    sigaction(number, &action, nullptr);
    sigaddset(&blocked, number);
  }
  sigprocmask(SIG_BLOCK, &blocked, &waiting);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigdelset(&waiting, number);
  return Supervisor(std::move(sockets), read_gate_settings(control)).run(waiting);
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("qmail-queued", argc, argv, hato::body);
}

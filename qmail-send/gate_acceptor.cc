#include "qmail-send/gate_acceptor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/queue_exit.h"
#include "lib/base/seal.h"

namespace hato {

namespace {

constexpr std::int64_t farewell_seconds = 60;  // how long workers may go on after SIGTERM
// Workers that may be sent further senders, each of which is a descriptor here; above so many one serves one.
constexpr std::size_t most_reusable = waiting_limit;

volatile sig_atomic_t stop = 0, retire = 0;
void on_signal(int number) {
  if (number == SIGTERM) stop = 1;
  if (number == retire_signal) retire = 1;
  // SIGCHLD only has to interrupt ppoll
}

class Acceptor {
 public:
  Acceptor(std::vector<Fd> listening, GateSlots& slots, const GateSettings& settings,
           const WorkerPlace& place)
      : listening_(std::move(listening)), slots_(slots), settings_(settings), place_(place) {
    for (const Fd& fd : listening_) polled_.push_back({fd.get(), POLLIN, 0});
  }

  int run(const sigset_t& waiting_mask) {
    while (!stop && !retire) {
      const int ready = ppoll(polled_.data(), polled_.size(), nullptr, &waiting_mask);
      reap();
      for (std::size_t i = 0; ready > 0 && i < polled_.size(); ++i)
        if (polled_[i].revents != 0) accept_one(polled_[i].fd);
    }
    listening_.clear();
    reusable_.clear();  // who waits hears so, and ends
    Deadline deadline = Deadline::never();
    while (workers_ > 0 && !deadline.passed()) {
      if (stop == 1) {
        deadline = Deadline::in_seconds(farewell_seconds);
        stop = 2;
      }
      const timespec tick{1, 0};
      ppoll(nullptr, 0, &tick, &waiting_mask);
      reap();
    }
    return 0;
  }

 private:
  void accept_one(int listening) {
    Fd client(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log_line(2, "qmail-queued: accept: " + errno_text(errno));
        const timespec pause{0, 100 * 1000 * 1000};
        nanosleep(&pause, nullptr);
      }
      return;
    }
    const Peer peer = peer_of(client.get());
    const std::int32_t kind =
        peer.uid == settings_.qmails ? static_cast<std::int32_t>(Kind::bounce) : GateSlots::undeclared;
    const bool room = has_room(peer.uid);
    if (room && hand_over(client.get(), peer, kind)) return;
    GateSlot* const slot = room ? slots_.claim(peer.uid, kind) : nullptr;
    if (slot == nullptr) {
      turn_away(client.get());
      log_turned_away(peer.uid);
      return;
    }
    start_worker(std::move(client), peer, *slot);
  }

  void start_worker(Fd client, const Peer& peer, GateSlot& slot) {
    FdPair further;
    try {
      if (settings_.reuse.messages > 1 && reusable_.size() < most_reusable)
        further = make_socketpair(SOCK_SEQPACKET);
    } catch (const Error&) {  // no more descriptors: the worker serves one sender
    }
    const pid_t self = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
      if (!die_with_parent(self)) _exit(111);
      listening_.clear();
      reusable_.clear();
      further.first.reset();
      _exit(
          serve_senders(std::move(client), peer, std::move(further.second), slot, slots_, settings_, place_));
    }
    if (pid < 0) {
      log_line(2, "qmail-queued: fork: " + errno_text(errno));
      GateSlots::release(&slot);
      turn_away(client.get());
      return;
    }
    slot.pid = pid;
    ++workers_;
    if (further.first) reusable_.push_back({pid, peer.uid, &slot, std::move(further.first)});
  }

  // To a worker that waits for another sender of this uid; false: there is none.
  bool hand_over(int client, const Peer& peer, std::int32_t kind) {
    for (const Reusable& worker : reusable_) {
      if (worker.uid != peer.uid || !worker.slot->engage(kind)) continue;
      try {
        if (send_message(worker.further.get(), {reinterpret_cast<const char*>(&peer), sizeof peer}, &client,
                         1))
          return true;
      } catch (const Error& e) {  // it waits in vain, and ends
        log_line(2, "qmail-queued: to a worker: " + e.text());
      }
    }
    return false;
  }

  // For one more of this uid? What qmaild brings is counted when he has said whether it is mx or submission;
  // until then both pools together are the limit.
  bool has_room(uid_t uid) const {
    if (slots_.running() >= settings_.pool_all) return false;
    if (uid == settings_.qmails) return slots_.of_kind(Kind::bounce) < settings_.pool_bounce;
    const bool network = settings_.may_claim_network(uid);
    const unsigned room = network ? settings_.pool_mx + settings_.pool_submission : settings_.pool_local;
    return slots_.of_uid(uid) < room && (network || customers() < settings_.room_for_customers());
  }

  // Workers of everybody but the network's and the bounces' senders.
  unsigned customers() const {
    return slots_.of_uids(
        [this](uid_t uid) { return uid != settings_.qmails && !settings_.may_claim_network(uid); });
  }

  static void turn_away(int client) {
    std::string record;
    append_record(record, gate_format::result,
                  encode_fields({{"code", std::to_string(static_cast<int>(QueueExit::not_admitted))}}));
    send(client, record.data(), record.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  // One line a second at most: a flood of senders is none of lines.
  void log_turned_away(uid_t uid) {
    ++turned_away_;
    if (const std::int64_t now = now_seconds(); now != turned_away_logged_) {
      turned_away_logged_ = now;
      log_line(2, "qmail-queued: uid " + std::to_string(uid) + ": no room in the gate (control/gatepools); " +
                      std::to_string(turned_away_) + " turned away since the last such line");
      turned_away_ = 0;
    }
  }

  void reap() {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      --workers_;
      std::erase_if(reusable_, [pid](const Reusable& r) { return r.pid == pid; });
      GateSlot* slot = slots_.of(pid);
      if (WIFSIGNALED(status)) {
        // Perhaps between giving its message a name and saying so.
        [[maybe_unused]] const ssize_t pulled = write(place_.trigger, "\n", 1);
        log_line(2, "qmail-queued: worker " + std::to_string(pid) + " died of signal " +
                        std::to_string(WTERMSIG(status)));
      }
      if (slot == nullptr) continue;
      if (slot->unlink_id != 0) send_message(place_.reopener, "u" + std::to_string(slot->unlink_id));
      GateSlots::release(slot);
    }
  }

  // Whose a worker is stands here and not only in the slot, to which workers can write.
  struct Reusable {
    pid_t pid;
    uid_t uid;
    GateSlot* slot;
    Fd further;  // what is sent here is the worker's next sender
  };

  std::vector<Fd> listening_;
  std::vector<pollfd> polled_;
  std::vector<Reusable> reusable_;
  GateSlots& slots_;
  const GateSettings& settings_;
  const WorkerPlace& place_;
  unsigned workers_ = 0;
  unsigned turned_away_ = 0;             // since turned_away_logged_
  std::int64_t turned_away_logged_ = 0;  // wall clock, seconds
};

}  // namespace

int accept_senders(std::vector<Fd> listening, GateSlots& slots, const GateSettings& settings,
                   const WorkerPlace& place, pid_t parent) {
  if (!die_with_parent(parent)) return 111;
  stop = 0;
  retire = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(retire_signal, &action, nullptr);
  sigaction(SIGCHLD, &action, nullptr);
  // All stay blocked except while ppoll waits, so that none is lost between a look and the wait. Workers
  // inherit the mask and are never signalled but by SIGKILL.
  sigset_t blocked, waiting;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, retire_signal);
  sigaddset(&blocked, SIGCHLD);
  sigprocmask(SIG_BLOCK, &blocked, &waiting);
  sigdelset(&waiting, SIGTERM);
  sigdelset(&waiting, retire_signal);
  sigdelset(&waiting, SIGCHLD);
  crc32c({});  // asks the processor what it can do, so that not each worker has to
  seal(seal_profile::gate, {{QueuePaths().fresh(), true}});
  return Acceptor(std::move(listening), slots, settings, place).run(waiting);
}

}  // namespace hato

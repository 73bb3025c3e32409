#include "policy/dispatcher.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/net/policy.h"

namespace hato {

namespace {

void complain(const std::string& what) {
  log_line(2, "qmail-rcptd: " + what);
}

std::string go_on() {
  return encode_policy_answer(rcptd_go_on);
}

std::string_view about(const PolicyRequest& request) {
  const std::string_view recipient = request.value("recipient");
  return recipient.empty() ? request.value("account") : recipient;
}

}  // namespace

// A worker: an asker's uid and his request in, answers out, one packet each, until the other end is closed.
int Dispatcher::work(int socket) {
  std::int64_t logged = -1;
  for (;;) {
    const std::optional<Message> request = receive_message(socket, sizeof(uid_t) + policy_request_limit);
    if (!request || request->data.empty()) return 0;
    uid_t asker;
    request->data.copy(reinterpret_cast<char*>(&asker), sizeof asker);
    const std::optional<PolicyRequest> parsed =
        parse_policy_request(std::string_view(request->data).substr(sizeof asker));
    const RecipientCheck::Finding finding =
        parsed ? check_.check(*parsed, asker) : RecipientCheck::Finding{go_on(), ""};
    // One line a second at most: what is wrong with one home is asked about with every message for it.
    if (!finding.doubt.empty() && logged != now_seconds()) {
      logged = now_seconds();
      complain("doubt about " + log_safe(about(*parsed), 300) + ": " + log_safe(finding.doubt, 300));
    }
    if (!send_message(socket, finding.answer)) return 0;
  }
}

void Dispatcher::run(ServiceLife& life) {
  std::vector<pollfd> polled;
  for (;;) {
    polled.assign({{listening_.get(), POLLIN, 0}});
    Deadline first = Deadline::never();
    for (Connection& one : connections_) {
      polled.push_back({one.socket.get(), static_cast<short>(one.asked ? 0 : POLLIN), 0});
      if (one.asked) first = earlier(first, one.deadline);
    }
    for (const Worker& one : workers_) polled.push_back({one.socket.get(), POLLIN, 0});
    if (!life.wait(polled, first.poll_ms())) return;
    std::size_t i = 1;
    for (Connection& one : connections_)
      if (polled[i++].revents != 0) read_from(one);
    for (Worker& one : workers_)
      if (polled[i++].revents != 0) read_from(one);
    if (polled[0].revents != 0) accept_one();
    give_up_late_ones();
    hand_out();
    reap();
    std::erase_if(connections_, [](const Connection& one) { return !one.socket; });
    std::erase_if(workers_, [](const Worker& one) { return !one.socket; });
  }
}

void Dispatcher::accept_one() {
  Fd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      complain("accept: " + errno_text(errno));
      const timespec pause{0, 100 * 1000 * 1000};
      nanosleep(&pause, nullptr);
    }
    return;
  }
  if (connections_.size() >= rcptd_connections) {
    // Its client connects anew when it has another question.
    const auto idle = std::min_element(connections_.begin(), connections_.end(),
                                       [](const Connection& a, const Connection& b) {
                                         return std::pair(a.asked, a.used) < std::pair(b.asked, b.used);
                                       });
    if (idle->asked) return;
    idle->socket.reset();
  }
  const uid_t uid = peer_of(socket.get()).uid;
  connections_.push_back({++last_number_, std::move(socket), uid, {}, false, Deadline::never(), ++clock_});
}

void Dispatcher::read_from(Connection& connection) {
  if (connection.asked) {  // only an error or the end of it wakes us then
    connection.socket.reset();
    return;
  }
  char piece[8192];
  const ssize_t n = recv(connection.socket.get(), piece, sizeof piece, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    connection.socket.reset();
    return;
  }
  connection.input.append(piece, static_cast<std::size_t>(n));
  const auto size = policy_message_size(connection.input);
  if (!size && connection.input.size() < policy_request_limit) return;
  // Questions come one at a time.
  if (!size || *size != connection.input.size() || *size > policy_request_limit) {
    connection.socket.reset();
    return;
  }
  connection.asked = true;
  connection.used = ++clock_;
  connection.deadline = Deadline::in_seconds(rcptd_seconds);
  waiting_.push_back(connection.number);
}

Dispatcher::Connection* Dispatcher::find(std::uint64_t number) {
  for (Connection& one : connections_)
    if (one.number == number && one.socket) return &one;
  return nullptr;
}

void Dispatcher::answer(std::uint64_t number, std::string_view text) {
  Connection* connection = find(number);
  if (connection == nullptr || !connection->asked) return;
  connection->asked = false;
  connection->input.clear();
  const ssize_t n = send(connection->socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n != static_cast<ssize_t>(text.size())) connection->socket.reset();  // it does not read
}

Dispatcher::Worker* Dispatcher::free_worker() {
  for (Worker& one : workers_)
    if (!one.busy && one.socket) return &one;
  if (workers_.size() >= rcptd_workers) return nullptr;
  try {
    FdPair pair = make_socketpair(SOCK_SEQPACKET);
    const pid_t self = getpid();
    const pid_t pid = fork_child("qmail-rcptd", [&]() -> int {
      if (!die_with_parent(self)) return 0;
      default_signals();
      ignore_sigpipe();
      listening_.reset();
      connections_.clear();
      workers_.clear();
      pair.first.reset();
      return work(pair.second.get());
    });
    return &workers_.emplace_back(Worker{pid, std::move(pair.first)});
  } catch (const SystemError& e) {
    if (workers_.empty()) complain(e.text());
    return nullptr;
  }
}

void Dispatcher::hand_out() {
  while (!waiting_.empty()) {
    const std::uint64_t number = waiting_.front();
    Connection* connection = find(number);
    if (connection == nullptr || !connection->asked) {
      waiting_.pop_front();
      continue;
    }
    Worker* worker = free_worker();
    if (worker == nullptr) return;
    waiting_.pop_front();
    worker->busy = true;
    worker->serves = number;
    try {
      std::string request(reinterpret_cast<const char*>(&connection->uid), sizeof connection->uid);
      if (send_message(worker->socket.get(), request += connection->input)) continue;
    } catch (const SystemError& e) {
      complain(e.text());
    }
    worker->socket.reset();
    answer(number, go_on());
  }
}

void Dispatcher::read_from(Worker& worker) {
  try {
    const std::optional<Message> action = receive_message(worker.socket.get(), policy_answer_limit);
    if (!action) return;
    const std::uint64_t number = worker.serves;
    worker.serves = 0;
    worker.busy = false;
    if (action->data.empty()) {
      complain("a worker has died");
      worker.socket.reset();
    }
    answer(number, action->data.empty() ? go_on() : action->data);
  } catch (const Error& e) {
    complain(e.text());
    worker.socket.reset();
    answer(worker.serves, go_on());
  }
}

void Dispatcher::give_up_late_ones() {
  std::size_t late = 0;
  for (Connection& one : connections_) {
    if (!one.asked || !one.socket || !one.deadline.passed()) continue;
    answer(one.number, go_on());
    ++late;
  }
  if (late == 0 || logged_ == now_seconds()) return;
  logged_ = now_seconds();
  const auto stuck =
      std::count_if(workers_.begin(), workers_.end(), [](const Worker& one) { return one.busy; });
  complain(std::to_string(late) + " questions were not answered in " + std::to_string(rcptd_seconds) +
           " s; busy workers: " + std::to_string(stuck));
}

void Dispatcher::reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace hato

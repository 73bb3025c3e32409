#include "admin/rule_service.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"

namespace hato {

std::string rule_socket_path() {
  return std::string(conf::home) + "/panel/s";
}

bool is_panel(const Control& control, uid_t uid) {
  if (uid == 0) return true;
  if (const std::optional<User> own = passwd_user(std::string(conf::user_qmailc)); own && own->uid == uid)
    return true;
  for (const std::string& line : control.lines("panels").value_or(std::vector<std::string>())) {
    if (line == std::to_string(uid)) return true;
    if (line.find_first_not_of("0123456789") == std::string::npos) continue;
    if (const std::optional<User> user = passwd_user(line); user && user->uid == uid) return true;
  }
  return false;
}

void RuleService::run(ServiceLife& life) {
  while (serve(life)) {
  }
}

bool RuleService::serve(ServiceLife& life) {
  std::vector<pollfd> fds{{clients_.size() < max_rule_clients ? listening_ : -1, POLLIN, 0}};
  Deadline until = Deadline::never();
  for (const Client& client : clients_) {
    fds.push_back({client.socket.get(), static_cast<short>(client.out.empty() ? POLLIN : POLLOUT), 0});
    until = earlier(until, client.deadline);
    if (client.waits()) until = Deadline::in(std::chrono::milliseconds(0));
  }
  if (!life.wait(fds, until.poll_ms())) return false;
  std::size_t at = 1;
  for (Client& client : clients_) {
    if (fds[at++].revents != 0 || client.waits()) {
      if (client.out.empty())
        hear(client);
      else
        say(client);
    }
    if (client.socket && client.deadline.passed()) client.socket.reset();
  }
  std::erase_if(clients_, [](const Client& client) { return !client.socket; });
  if (fds[0].revents != 0) accept_clients();
  return true;
}

void RuleService::accept_clients() {
  while (clients_.size() < max_rule_clients) {
    Fd socket(accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    RuleAsker asker;
    try {
      asker.uid = peer_of(socket.get()).uid;
      asker.any_account = is_panel(control_, asker.uid);
    } catch (const Error& e) {
      log_line(2, "dotd: " + e.text());
      continue;
    }
    const auto same = std::count_if(clients_.begin(), clients_.end(),
                                    [&](const Client& other) { return other.asker.uid == asker.uid; });
    if (!asker.any_account && static_cast<std::size_t>(same) >= max_rule_clients_of_a_uid) continue;
    clients_.push_back({std::move(socket), asker, Deadline::in_seconds(rule_client_seconds), "", ""});
  }
}

// One request at a time: what comes behind it waits until its answer has gone.
void RuleService::hear(Client& client) {
  std::size_t end = client.in.find('\n');
  if (end == std::string::npos) {
    char space[16384];
    const ssize_t n = ::read(client.socket.get(), space, sizeof space);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return client.socket.reset();
    const std::size_t before = client.in.size();
    client.in.append(space, static_cast<std::size_t>(n));
    end = client.in.find('\n', before);
    if (end == std::string::npos && client.in.size() <= max_rule_request) return;
  }
  if (end == std::string::npos || end > max_rule_request) {
    client.out = rule_refusal(100, "a request has 256 KiB at most") + "\n";
    client.in.clear();
    say(client);
    return client.socket.reset();
  }
  client.out = requests_.answer(std::string_view(client.in).substr(0, end), client.asker) + "\n";
  client.in.erase(0, end + 1);
  client.deadline = Deadline::in_seconds(rule_client_seconds);
  say(client);
}

void RuleService::say(Client& client) {
  while (!client.out.empty()) {
    const ssize_t n = send(client.socket.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return client.socket.reset();
    client.out.erase(0, static_cast<std::size_t>(n));
  }
}

}  // namespace hato

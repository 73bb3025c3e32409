#include "tests/program/byte_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/net/tcp.h"

namespace hato::test {

ByteServer::ByteServer(std::vector<BytePlan> plans, const std::string& address)
    : plans_(std::move(plans)), address_(address) {
  const SocketAddress at = socket_address(*IpAddress::parse(address), 0);
  listen_.reset(socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(listen_.get(), at.get(), at.length) != 0 || listen(listen_.get(), 10) != 0)
    throw_errno("listen on " + address);
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(listen_.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  port_ = endpoint_of(storage)->port;
  thread_.start([this] { serve(); });
}

ByteServer::~ByteServer() {
  thread_.end();
}

std::string ByteServer::name() const {
  return IpAddress::parse(address_)->with_port(port_);
}

std::vector<std::string> ByteServer::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

void ByteServer::serve() {
  for (std::size_t n = 0;; ++n) {
    pollfd fds[2] = {{listen_.get(), POLLIN, 0}, {thread_.stopped(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    const Fd client(accept4(listen_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) talk(client.get(), plans_[std::min(n, plans_.size() - 1)]);
  }
}

void ByteServer::talk(int fd, const BytePlan& plan) {
  {
    const std::lock_guard lock(mutex_);
    received_.emplace_back();
  }
  std::size_t had = 0;
  const auto take = [&] {  // false: the client or the test has ended it
    pollfd fds[2] = {{fd, POLLIN, 0}, {thread_.stopped(), POLLIN, 0}};
    if (poll(fds, 2, 20000) <= 0 || fds[1].revents != 0) return false;
    char space[65536];
    const ssize_t n = recv(fd, space, sizeof space, 0);
    if (n <= 0) return false;
    had += static_cast<std::size_t>(n);
    const std::lock_guard lock(mutex_);
    received_.back().append(space, static_cast<std::size_t>(n));
    return true;
  };
  for (unsigned round = 1; round <= plan.rounds; ++round) {
    while (had < plan.octets * round)
      if (!take()) return;
    if (plan.reset) {
      const linger now{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      return;
    }
    ::send(fd, plan.answer.data(), plan.answer.size(), MSG_NOSIGNAL);
  }
  while (had < plan.octets * plan.rounds + plan.also)
    if (!take()) return;
  while (plan.silent && take()) continue;
}

}  // namespace hato::test

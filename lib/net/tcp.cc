#include "lib/net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "lib/base/io.h"

namespace hato {

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress result{};
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    memcpy(&in.sin_addr, address.v4_bytes(), 4);
    memcpy(&result.storage, &in, sizeof in);
    result.length = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    memcpy(&in.sin6_addr, address.bytes().data(), 16);
    memcpy(&result.storage, &in, sizeof in);
    result.length = sizeof in;
  }
  return result;
}

std::optional<Endpoint> endpoint_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in in;
    memcpy(&in, &storage, sizeof in);
    return Endpoint{IpAddress::v4(&in.sin_addr), ntohs(in.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in;
    memcpy(&in, &storage, sizeof in);
    return Endpoint{IpAddress::v6(&in.sin6_addr), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

namespace {

// 0 or an errno: what became of a connect that is under way.
int wait_for_connect(int fd, Deadline deadline) {
  for (;;) {
    pollfd p{fd, POLLOUT, 0};
    const int n = poll(&p, 1, deadline.poll_ms());
    if (n == 0) return ETIMEDOUT;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
  }
}

}  // namespace

TcpConnection connect_tcp(const IpAddress& to, std::uint16_t port, Deadline deadline, const IpAddress* from) {
  const auto failed = [](int error) { return TcpConnection{Fd(), error}; };
  const SocketAddress address = socket_address(to, port);
  Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed(errno);
  const int on = 1;
  // Without it each small command after an unacknowledged one waits for the peer's delayed ACK.
  if (setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return failed(errno);
  if (from != nullptr) {
    const SocketAddress source = socket_address(*from, 0);
    if (bind(fd.get(), source.get(), source.length) != 0) return failed(errno);
  }
  if (connect(fd.get(), address.get(), address.length) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return failed(errno);
    if (const int error = wait_for_connect(fd.get(), deadline); error != 0) return failed(error);
  }
  return TcpConnection{std::move(fd), 0};
}

void hang_up(int in, int out) {
  constexpr int seconds = 5;
  constexpr std::size_t most = 4U << 20;
  if (shutdown(out, SHUT_WR) != 0) return;  // a pipe
  const Deadline end = Deadline::in_seconds(seconds);
  char octets[4096];
  for (std::size_t n = 0; n < most && wait_readable(in, end);) {
    const ssize_t got = recv(in, octets, sizeof octets, MSG_DONTWAIT);
    if (got <= 0) return;
    n += static_cast<std::size_t>(got);
  }
}

}  // namespace hato

#include "lib/net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include <charconv>

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

// What became of a connect that poll has something to say about: 0 or an errno.
int connect_result(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

// 0 or an errno: what became of a connect that is under way.
int wait_for_connect(int fd, Deadline deadline) {
  for (;;) {
    pollfd p{fd, POLLOUT, 0};
    const int n = poll(&p, 1, deadline.poll_ms());
    if (n == 0) return ETIMEDOUT;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    return connect_result(fd);
  }
}

// fd is not open when error is something else than EINPROGRESS.
TcpConnection begin_connect(const IpAddress& to, std::uint16_t port, const IpAddress* from) {
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
  if (connect(fd.get(), address.get(), address.length) == 0) return TcpConnection{std::move(fd), 0};
  if (errno != EINPROGRESS && errno != EINTR) return failed(errno);
  return TcpConnection{std::move(fd), EINPROGRESS};
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  if (const std::optional<IpAddress> bare = IpAddress::parse(text)) return Endpoint{*bare, default_port};
  const std::size_t bracket = text.find(']');
  const std::size_t colon = text.find(':', bracket == text.npos ? 0 : bracket);
  std::uint16_t port = default_port;
  if (colon != text.npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size() || port == 0) return std::nullopt;
    text = text.substr(0, colon);
  }
  const std::optional<IpAddress> address =
      bracket == text.npos ? IpAddress::parse(text) : IpAddress::parse_literal(text);
  if (!address) return std::nullopt;
  return Endpoint{*address, port};
}

TcpConnection connect_tcp(const IpAddress& to, std::uint16_t port, Deadline deadline, const IpAddress* from) {
  TcpConnection connection = begin_connect(to, port, from);
  if (connection.error == EINPROGRESS) connection.error = wait_for_connect(connection.fd.get(), deadline);
  if (connection.error != 0) connection.fd.reset();
  return connection;
}

TcpRace race_tcp(const std::vector<TcpCandidate>& candidates, std::uint16_t port,
                 std::chrono::milliseconds patience, std::chrono::milliseconds head_start) {
  using Fate = TcpRace::Fate;
  struct Runner {
    std::size_t index;
    Fd fd;
    Deadline end;
  };
  TcpRace race;
  race.fates.assign(candidates.size(), Fate::not_begun);
  race.errors.assign(candidates.size(), 0);
  std::vector<Runner> running;
  const auto fail = [&](std::size_t index, int error) {
    race.fates[index] = Fate::failed;
    race.errors[index] = error;
  };
  const auto win = [&](std::size_t index, Fd fd) {
    for (const Runner& runner : running) race.fates[runner.index] = Fate::overtaken;
    race.fates[index] = Fate::won;
    race.winner = index;
    race.fd = std::move(fd);
  };

  std::size_t next = 0;
  Deadline next_start = Deadline::in({});
  for (;;) {
    while (next < candidates.size() && (running.empty() || next_start.passed())) {
      const TcpCandidate& candidate = candidates[next];
      TcpConnection begun =
          begin_connect(candidate.address, port, candidate.from ? &*candidate.from : nullptr);
      const std::size_t index = next++;
      if (begun.error == 0) {
        win(index, std::move(begun.fd));
        return race;
      }
      if (begun.error != EINPROGRESS) {
        fail(index, begun.error);
        continue;
      }
      running.push_back({index, std::move(begun.fd), Deadline::in(patience)});
      next_start = Deadline::in(head_start);
    }
    if (running.empty()) return race;

    std::vector<pollfd> fds;
    Deadline until = next < candidates.size() ? next_start : Deadline::never();
    for (const Runner& runner : running) {
      fds.push_back({runner.fd.get(), POLLOUT, 0});
      until = earlier(until, runner.end);
    }
    if (poll(fds.data(), fds.size(), until.poll_ms()) < 0 && errno != EINTR) {
      for (const Runner& runner : running) fail(runner.index, errno);
      return race;
    }
    // In the order in which they were begun: of two that are there, the preferred one.
    for (std::size_t i = 0; i < running.size(); ++i) {
      if (fds[i].revents == 0) continue;
      if (const int error = connect_result(fds[i].fd); error != 0) {
        fail(running[i].index, error);
        continue;
      }
      const std::size_t index = running[i].index;
      Fd fd = std::move(running[i].fd);
      std::erase_if(running, [&](const Runner& r) { return race.fates[r.index] == Fate::failed; });
      win(index, std::move(fd));
      return race;
    }
    for (const Runner& runner : running)
      if (race.fates[runner.index] != Fate::failed && runner.end.passed()) fail(runner.index, ETIMEDOUT);
    std::erase_if(running, [&](const Runner& r) { return race.fates[r.index] == Fate::failed; });
  }
}

std::optional<IpAddress> local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  const std::optional<Endpoint> endpoint = endpoint_of(storage);
  return endpoint ? std::optional(endpoint->address) : std::nullopt;
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

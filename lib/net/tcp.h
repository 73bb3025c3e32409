// TCP connections of a client, IPv4 and IPv6, with a time limit.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/ip.h"

namespace hato {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t length;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
SocketAddress socket_address(const IpAddress& address, std::uint16_t port);
// The address and port of a sockaddr_in or sockaddr_in6; nullopt for another family.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
std::optional<Endpoint> endpoint_of(const sockaddr_storage& storage);

// "192.0.2.1", "2001:db8::1", "192.0.2.1:628", "[2001:db8::1]:628"; nullopt when it is none of these. Pure.
std::optional<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);

// Either fd is open and connected, non-blocking, close-on-exec, with TCP_NODELAY; or error is the errno of
// what failed (ETIMEDOUT also when the deadline passed). Never throws: a host that cannot be reached is an
// answer.
struct TcpConnection {
  Fd fd;
  int error = 0;
};
// from: source address (bindroutes); must be of the same family as `to`.
TcpConnection connect_tcp(const IpAddress& to, std::uint16_t port, Deadline deadline,
                          const IpAddress* from = nullptr);

// A server has said its last word and hangs up: ends what we send, then reads away what still comes, for 5
// seconds and 4 MiB at most. Closing a socket with unread input would reset the connection, and the client
// might never see that word. Pipes are left alone.
void hang_up(int in, int out);

// Several addresses of one host, the preferred first (RFC 8305 section 5): the first is tried at once, the
// next when those before have failed, or when `head_start` has gone by without a connection; the first
// connection wins and the others are closed. So an address that swallows packets costs the head start and not
// the whole time.
struct TcpCandidate {
  IpAddress address;
  std::optional<IpAddress> from;  // source address, of the same family
};
struct TcpRace {
  enum class Fate { not_begun, overtaken, failed, won };
  Fd fd;  // of the winner, as from connect_tcp; not open: all have failed
  std::size_t winner = 0;
  std::vector<Fate> fates;  // one for each candidate
  std::vector<int> errors;  // errno of those that failed; ETIMEDOUT when `patience` was over
};
// patience: for each address from its own start. Never throws.
TcpRace race_tcp(const std::vector<TcpCandidate>& candidates, std::uint16_t port,
                 std::chrono::milliseconds patience, std::chrono::milliseconds head_start);

// The address that a connected socket goes out from; nullopt when the kernel does not say.
std::optional<IpAddress> local_address(int fd);

}  // namespace hato

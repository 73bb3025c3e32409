#include "qmail-send/request_server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

namespace {
constexpr int backlog = 32;
}

void RequestServer::listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw TempError(path + ": too long for a socket's name");
  path.copy(address.sun_path, path.size());
  if (unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno("unlink " + path);
  Fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("socket");
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw_errno("bind " + path);
  // The directory says who comes near, the peer's uid what he may.
  if (chmod(path.c_str(), 0666) != 0) throw_errno("chmod " + path);
  if (::listen(fd.get(), backlog) != 0) throw_errno("listen " + path);
  listening_ = std::move(fd);
}

std::vector<int> RequestServer::fds() const {
  std::vector<int> fds;
  if (listening_) fds.push_back(listening_.get());
  for (const Connection& connection : connections_)
    if (connection.missing == 0) fds.push_back(connection.socket.get());
  return fds;
}

std::vector<TakenRequest> RequestServer::take() {
  std::vector<TakenRequest> taken;
  if (!listening_) return taken;
  accept_one();
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    const auto next = std::next(connection);
    if (connection->missing == 0 && !read_packet(*connection, taken))
      connections_.erase(connection);
    else if (connection->missing == 0 && !connection->answers.empty())
      send_answers(connection);
    connection = next;
  }
  return taken;
}

void RequestServer::accept_one() {
  Fd client(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) return;
  try {
    const uid_t uid = peer_of(client.get()).uid;
    const bool known = uid == 0 || uid == own_ || uid == network_;
    if (!known || !make_room(uid)) return;
    connections_.push_back({++last_number_, std::move(client), uid, {}, 0, ++clock_});
  } catch (const Error&) {
    // He is gone already.
  }
}

// The longest idle connection gives way: of qmaild's when those are too many, else of all.
bool RequestServer::make_room(uid_t uid) {
  const auto of_network = [this](const Connection& c) { return c.uid == network_; };
  const bool network = uid == network_;
  const bool too_many = network && std::count_if(connections_.begin(), connections_.end(), of_network) >=
                                       static_cast<std::ptrdiff_t>(request_connections_network);
  if (!too_many && connections_.size() < request_connections) return true;
  auto oldest = connections_.end();
  for (auto c = connections_.begin(); c != connections_.end(); ++c)
    if (c->missing == 0 && (!network || of_network(*c)) &&
        (oldest == connections_.end() || c->used < oldest->used))
      oldest = c;
  if (oldest == connections_.end()) return false;
  connections_.erase(oldest);
  return true;
}

bool RequestServer::may(uid_t uid, const SendRequest& request) const {
  return uid == 0 || uid == own_ || (uid == network_ && request.verb == RequestVerb::flush);
}

// False: the connection is over.
bool RequestServer::read_packet(Connection& connection, std::vector<TakenRequest>& taken) {
  static char space[request_packet_limit + 1];
  const ssize_t n = recv(connection.socket.get(), space, sizeof space, 0);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  if (n == 0 || n == static_cast<ssize_t>(sizeof space)) return false;
  const auto lines = packet_lines(std::string_view(space, static_cast<std::size_t>(n)));
  if (!lines) return false;
  connection.used = ++clock_;
  connection.answers.assign(lines->size(), "");
  for (std::size_t i = 0; i < lines->size(); ++i) {
    std::optional<SendRequest> request = decode_request_line((*lines)[i]);
    if (!request) {
      connection.answers[i] = encode_answer({RequestOutcome::refused, 0, "there is no such request"});
    } else if (!may(connection.uid, *request)) {
      connection.answers[i] = encode_answer({RequestOutcome::refused, 0, "you may not ask for that"});
    } else {
      ++connection.missing;
      taken.push_back({{connection.number, i}, connection.uid, std::move(*request)});
    }
  }
  return true;
}

void RequestServer::answer(const Ticket& ticket, const SendAnswer& answer) {
  for (auto connection = connections_.begin(); connection != connections_.end(); ++connection) {
    if (connection->number != ticket.connection) continue;
    if (ticket.line >= connection->answers.size() || !connection->answers[ticket.line].empty()) return;
    connection->answers[ticket.line] = encode_answer(answer);
    if (--connection->missing == 0) send_answers(connection);
    return;
  }
}

void RequestServer::send_answers(std::list<Connection>::iterator connection) {
  std::string packet;
  for (const std::string& line : connection->answers) packet += line;
  connection->answers.clear();
  bool sent = false;
  try {
    sent = send_message(connection->socket.get(), packet);
  } catch (const Error&) {
    // He does not read what he asked for.
  }
  if (!sent) connections_.erase(connection);
}

}  // namespace hato

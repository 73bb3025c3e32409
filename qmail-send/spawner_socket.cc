#include "qmail-send/spawner_socket.h"

#include <errno.h>
#include <sys/socket.h>

#include "lib/base/error.h"

namespace hato {

SpawnerSocket::SpawnerSocket(Fd socket) : socket_(std::move(socket)) {
  set_nonblocking(socket_.get(), true);
  set_cloexec(socket_.get(), true);
}

SpawnerSocket::Sent SpawnerSocket::send(const DeliveryRequest& request, int message) {
  const std::string packet = encode_request(request);
  try {
    return send_message(socket_.get(), packet, &message, 1) ? Sent::yes : Sent::gone;
  } catch (const SystemError& e) {
    // ETOOMANYREFS: more descriptors are under way than this user may have in sockets.
    if (e.error() == EAGAIN || e.error() == ETOOMANYREFS || e.error() == ENOBUFS) return Sent::full;
    throw;
  }
}

SpawnerSocket::Received SpawnerSocket::receive(std::string_view& packet) {
  static char space[delivery_report_limit + 1];  // one more, so that an oversized report is seen as such
  for (;;) {
    const ssize_t n = recv(socket_.get(), space, sizeof space, 0);
    if (n > 0) {
      packet = std::string_view(space, static_cast<std::size_t>(n));
      return Received::packet;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Received::nothing;
    return Received::gone;
  }
}

}  // namespace hato

#include "qmail-send/gate_sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>

#include "lib/base/env.h"
#include "lib/base/error.h"

namespace hato {

namespace {

constexpr int backlog = 1024;
constexpr int first_passed_fd = 3;  // sd_listen_fds(3): SD_LISTEN_FDS_START

bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

Fd take(int fd) {
  set_nonblocking(fd, true);
  set_cloexec(fd, true);
  return Fd(fd);
}

Fd listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw TempError(path + ": a socket's path may have " + std::to_string(sizeof address.sun_path - 1) +
                    " bytes; choose a shorter home");
  path.copy(address.sun_path, path.size());
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw_errno("socket");
  // EAGAIN: somebody listens and is busy.
  if (::connect(socket.get(), name, sizeof address) == 0 || errno == EAGAIN)
    throw TempError(path + ": somebody listens there already");
  socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw_errno("socket");
  unlink(path.c_str());  // of a gate that was killed
  // The mode is there from the start: root must not chmod a name in a directory that is another user's, who
  // may have put a link to something else there meanwhile.
  const mode_t before = umask(0111);
  const int bound = bind(socket.get(), name, sizeof address);
  umask(before);
  if (bound != 0) throw_errno("bind " + path);
  if (listen(socket.get(), backlog) != 0) throw_errno("listen " + path);
  return socket;
}

}  // namespace

GateSockets open_gate(const std::vector<std::string>& paths) {
  GateSockets sockets;
  const std::optional<std::string> pid = env("LISTEN_PID"), count = env("LISTEN_FDS");
  if (pid && count && *pid == std::to_string(getpid())) {
    for (int i = 0; i < atoi(count->c_str()); ++i) sockets.listening.push_back(take(first_passed_fd + i));
  } else if (is_listening(0)) {
    sockets.listening.push_back(take(dup(0)));
  } else {
    for (const std::string& path : paths) {
      sockets.listening.push_back(listen_at(path));
      sockets.own.push_back(path);
    }
  }
  return sockets;
}

}  // namespace hato

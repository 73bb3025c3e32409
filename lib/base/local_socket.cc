#include "lib/base/local_socket.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/error.h"

namespace hato {

namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw TempError(path + ": too long for a socket");
  path.copy(address.sun_path, path.size());
  return address;
}

Fd fresh(int type) {
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw_errno("socket");
  return socket;
}

bool connects(const Fd& socket, const sockaddr_un& address) {
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Fd listen_local(const std::string& path, int type, mode_t mode, int backlog) {
  const sockaddr_un address = address_of(path);
  if (connects(fresh(type), address) || errno == EAGAIN)
    throw TempError(path + ": somebody listens there already");
  unlink(path.c_str());
  Fd socket = fresh(type);
  // The mode is there from the first moment on.
  const mode_t before = umask(static_cast<mode_t>(~mode & 0777));
  const int bound = bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int problem = errno;
  umask(before);
  if (bound != 0) {
    errno = problem;
    throw_errno("bind " + path);
  }
  if (listen(socket.get(), backlog) != 0) throw_errno("listen " + path);
  return socket;
}

Fd connect_local(const std::string& path, int type) {
  Fd socket = fresh(type);
  if (!connects(socket, address_of(path))) throw_errno("connect " + path);
  return socket;
}

}  // namespace hato

#include "lib/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "lib/base/error.h"

namespace hato {

void Fd::reset(int fd) {
  if (fd_ >= 0) {
    const int keep =
        errno;  // a destructor on an error path must not change the errno that is about to be reported
    ::close(fd_);
    errno = keep;
  }
  fd_ = fd;
}

Fd try_open(const std::string& path, int flags, mode_t mode) {
  return Fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
}

Fd open_file(const std::string& path, int flags, mode_t mode) {
  Fd fd = try_open(path, flags, mode);
  if (!fd) throw_errno("open " + path);
  return fd;
}

Fd try_open_at(int directory, const std::string& name, int flags, mode_t mode) {
  return Fd(::openat(directory, name.c_str(), flags | O_CLOEXEC, mode));
}

Fd open_file_at(int directory, const std::string& name, int flags, mode_t mode) {
  Fd fd = try_open_at(directory, name, flags, mode);
  if (!fd) throw_errno("open " + name);
  return fd;
}

FdPair make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

FdPair make_socketpair(int socket_type) {
  int ends[2];
  if (socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
  return {Fd(ends[0]), Fd(ends[1])};
}

void move_to(Fd fd, int number) {
  if (fd.get() == number) {
    set_cloexec(number, false);
    [[maybe_unused]] int kept = fd.release();
    return;
  }
  if (dup2(fd.get(), number) < 0) throw_errno("dup2");
}

void set_nonblocking(int fd, bool on) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
    throw_errno("fcntl O_NONBLOCK");
}

void set_cloexec(int fd, bool on) {
  if (fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0) throw_errno("fcntl FD_CLOEXEC");
}

void write_all(int fd, std::string_view data, std::string_view what) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("write " + std::string(what));
    data.remove_prefix(static_cast<std::size_t>(n));
  }
}

void pwrite_all(int fd, std::string_view data, off_t offset, std::string_view what) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("write " + std::string(what));
    data.remove_prefix(static_cast<std::size_t>(n));
    offset += n;
  }
}

std::optional<std::string> read_all(int fd, std::size_t limit, std::string_view what) {
  // Most are control files of a few bytes: a large buffer here would cost each program its pages.
  constexpr std::size_t small = 1024, large = 64U << 10;
  std::string all;
  char space[small];
  for (;;) {
    std::size_t have = all.size();
    const bool first = have == 0;
    if (!first) all.resize(have + (have < large ? have : large));
    const ssize_t n = ::read(fd, first ? space : all.data() + have, first ? small : all.size() - have);
    if (n < 0 && errno == EINTR) {
      all.resize(have);
      continue;
    }
    if (n < 0) throw_errno("read " + std::string(what));
    if (first)
      all.assign(space, static_cast<std::size_t>(n));
    else
      all.resize(have + static_cast<std::size_t>(n));
    if (n == 0) return all;
    if (all.size() > limit) return std::nullopt;
  }
}

std::string pread_some(int fd, std::size_t n, off_t offset, std::string_view what) {
  std::string data(n, '\0');
  std::size_t have = 0;
  while (have < n) {
    const ssize_t got = ::pread(fd, data.data() + have, n - have, offset + static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read " + std::string(what));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  data.resize(have);
  return data;
}

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
  Fd fd = try_open(path, O_RDONLY | O_NONBLOCK);
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    throw_errno("open " + path);
  }
  std::optional<std::string> text = read_all(fd.get(), limit, path);
  if (!text) throw TempError(path + ": larger than " + std::to_string(limit) + " bytes");
  return text;
}

void fsync_fd(int fd, std::string_view what) {
  if (::fsync(fd) != 0) throw_errno("fsync " + std::string(what));
}

void fsync_directory(const std::string& path) {
  Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
  fsync_fd(fd.get(), path);
}

void fsync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  fsync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

bool send_message(int socket, std::string_view data, const int* fds, std::size_t fd_count) {
  iovec piece{const_cast<char*>(data.data()), data.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  if (fd_count > 4) throw TempError("send_message: more than 4 descriptors");
  if (fd_count > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
  }
  for (;;) {
    const ssize_t n = sendmsg(socket, &header, MSG_NOSIGNAL);
    if (n == static_cast<ssize_t>(data.size())) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
    if (n < 0) throw_errno("sendmsg");
    write_all(socket, data.substr(static_cast<std::size_t>(n)), "socket");  // a stream took a part
    return true;
  }
}

std::optional<Message> receive_message(int socket, std::size_t limit) {
  Message message;
  const std::unique_ptr<char[]> space(new char[limit]);  // not filled: most messages are far below the limit
  iovec piece{space.get(), limit};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n;
  do n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
  if (n < 0 && errno == ECONNRESET) n = 0;
  if (n < 0) throw_errno("recvmsg");
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      if (message.fd_count < 4)
        message.fds[message.fd_count++].reset(fd);
      else
        ::close(fd);
    }
  }
  if (header.msg_flags & MSG_TRUNC) throw TempError("recvmsg: a message over the limit");
  // The message is out of the socket: whoever reads it can answer, if not do what it asks.
  if ((header.msg_flags & MSG_CTRUNC) != 0 && message.fd_count < 4) ++message.fd_count;
  message.data.assign(space.get(), static_cast<std::size_t>(n));
  return message;
}

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    throw_errno("getsockopt SO_PEERCRED");
  return {credentials.uid, credentials.gid, credentials.pid};
}

}  // namespace hato

// File descriptors that close themselves, and the few calls on them that everybody needs.
// Everything opened here is close-on-exec.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace hato {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);  // closes what it holds

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added. open_file throws SystemError ("open PATH: ..."); try_open returns an empty
// Fd, errno set.
Fd open_file(const std::string& path, int flags, mode_t mode = 0);
Fd try_open(const std::string& path, int flags, mode_t mode = 0);
Fd open_file_at(int directory, const std::string& name, int flags, mode_t mode = 0);
Fd try_open_at(int directory, const std::string& name, int flags, mode_t mode = 0);

struct FdPair {
  Fd first;   // pipe: the read end
  Fd second;  // pipe: the write end
};
FdPair make_pipe();                       // pipe2(O_CLOEXEC); throws SystemError
FdPair make_socketpair(int socket_type);  // AF_UNIX, SOCK_CLOEXEC; throws SystemError

// fd becomes `number` in this process, open across exec (dup2; clears close-on-exec when it is there
// already).
void move_to(Fd fd, int number);
void set_nonblocking(int fd, bool on);
void set_cloexec(int fd, bool on);

// All of `data`, over short writes and EINTR; throws SystemError("write WHAT"). For files and blocking pipes.
void write_all(int fd, std::string_view data, std::string_view what);
void pwrite_all(int fd, std::string_view data, off_t offset, std::string_view what);
// Reads until EOF; nullopt when there is more than `limit` bytes. Throws SystemError("read WHAT").
std::optional<std::string> read_all(int fd, std::size_t limit, std::string_view what);
// Exactly n bytes at offset, or fewer at the end of the file.
std::string pread_some(int fd, std::size_t n, off_t offset, std::string_view what);

// The whole of a small file; nullopt when it does not exist. Throws SystemError for any other failure, and
// TempError when it is larger than limit.
std::optional<std::string> read_file(const std::string& path, std::size_t limit);

// Durability: fsync that throws SystemError. A failed fsync is final: give the file up.
void fsync_fd(int fd, std::string_view what);
void fsync_directory(const std::string& path);
// The directory that holds the file `path`: after it was made or renamed there.
void fsync_directory_of(const std::string& path);

// Passing descriptors over an AF_UNIX socket, one message (SOCK_SEQPACKET or SOCK_STREAM) with up to 4 fds.
// send_message returns false when the peer is gone (EPIPE, ECONNRESET); throws SystemError otherwise. No
// SIGPIPE.
bool send_message(int socket, std::string_view data, const int* fds = nullptr, std::size_t fd_count = 0);
struct Message {
  std::string data;  // empty: the peer closed (our own messages are never empty)
  Fd fds[4];  // an empty one stands for what could not be taken: this process has as many as it may (EMFILE)
  std::size_t fd_count = 0;
};
// Receives one message of at most `limit` bytes; throws SystemError, and TempError for one that is longer.
// On a non-blocking socket with nothing to read: nullopt.
std::optional<Message> receive_message(int socket, std::size_t limit);

// uid, gid and pid of the process that connected, from SO_PEERCRED.
struct Peer {
  uid_t uid;
  gid_t gid;
  pid_t pid;
};
Peer peer_of(int socket);

}  // namespace hato

#include "lib/store/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/mail/mbox.h"

namespace hato {

namespace {

void wake_up(int) {}

// While it lives SIGALRM interrupts a blocking call after `seconds`, instead of ending the process.
class Alarm {
 public:
  explicit Alarm(unsigned seconds) {
    struct sigaction interrupt {};
    interrupt.sa_handler = wake_up;  // no SA_RESTART: the call gives EINTR
    sigaction(SIGALRM, &interrupt, &before_);
    alarm(seconds);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    alarm(0);
    sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

int try_lock(int fd, bool wait) {
  int result = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
  if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
    result = lockf(fd, wait ? F_LOCK : F_TLOCK, 0);
  return result;
}

// False: there are no locks on this file system (or on this kind of file).
bool lock(int fd, const std::string& path, Deadline deadline) {
  if (try_lock(fd, false) == 0) return true;
  while (errno == EWOULDBLOCK || errno == EACCES || errno == EINTR) {
    if (deadline.passed()) throw TimeoutError("lock " + path + ": timed out");
    const Alarm limit(static_cast<unsigned>(deadline.poll_ms() / 1000 + 1));
    if (try_lock(fd, true) == 0) return true;
  }
  return false;
}

void append(int fd, const std::string& path, std::string_view head, MessageFile& message) {
  MboxQuoter quoter;
  std::string lines(head);
  std::size_t n = 0;
  for (off_t at = 0;; at += static_cast<off_t>(n)) {
    const std::string_view piece = message.piece(at);
    n = piece.size();
    if (n == 0) break;
    quoter.put(piece, lines);
    if (at + static_cast<off_t>(n) < message.size()) {
      write_all(fd, lines, path);
      lines.clear();
    }
  }
  quoter.end(lines);
  write_all(fd, lines, path);
}

}  // namespace

LockedMbox::LockedMbox(const std::string& path, std::chrono::seconds limit) {
  const Deadline deadline = Deadline::in(limit);
  for (;;) {
    file_ = try_open(path, O_WRONLY | O_APPEND | O_NONBLOCK);
    if (!file_ && errno == ENOENT) {
      file_ = try_open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CREAT | O_EXCL, 0600);
      if (!file_ && errno == EEXIST) {  // somebody was faster, or it is a symbolic link to nothing yet
        file_ = try_open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CREAT, 0600);
      }
      created_ = static_cast<bool>(file_);
    }
    if (!file_) throw MboxMissing("open " + path, errno);
    locked_ = lock(file_.get(), path, deadline);
    if (same_file(path)) return;
  }
}

bool LockedMbox::same_file(const std::string& path) const {
  struct stat ours, named;
  if (fstat(file_.get(), &ours) != 0) throw_errno("stat " + path);
  if (stat(path.c_str(), &named) != 0) {
    if (errno == ENOENT) return false;
    throw_errno("stat " + path);
  }
  return ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

void deliver_to_mbox(const std::string& path, std::string_view head, MessageFile& message,
                     std::chrono::seconds lock_limit) {
  const LockedMbox mbox(path, lock_limit);
  struct stat before;
  if (fstat(mbox.fd(), &before) != 0) throw_errno("stat " + path);
  const bool regular = S_ISREG(before.st_mode);
  try {
    append(mbox.fd(), path, head, message);
    if (regular) fsync_fd(mbox.fd(), path);
    if (regular && mbox.created()) fsync_directory_of(path);
  } catch (const Error&) {
    if (regular && mbox.locked() && ftruncate(mbox.fd(), before.st_size) != 0) {
    }  // the first failure is the one to report
    throw;
  }
}

}  // namespace hato

// qmail-qmove [--delete] SOURCE DESTINATION: copies a queue, or merges it into another. man qmail-qmove.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "admin/queue_listing.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/store/queuefile.h"
#include "lib/store/statefile.h"

using namespace hato;

namespace {

struct Owner {
  uid_t uid;
  gid_t gid;
};

Owner daemon(const char* name) {
  const std::optional<User> user = passwd_user(std::string(name));
  const std::optional<gid_t> group = group_id(conf::group_qmail);
  if (!user || !group) throw TempError(std::string("no user ") + name + " or no group " + conf::group_qmail);
  return {user->uid, *group};
}

// Held until exit: no qmail-send runs on this queue. A copy that never was a running queue has no lock file.
Fd lock_out_qmail_send(const std::string& queue) {
  Fd fd = try_open(queue + "/lock/sendmutex", O_RDONLY);
  if (!fd && errno == ENOENT) return fd;
  if (!fd) throw_errno("open " + queue + "/lock/sendmutex");
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    throw TempError("qmail-send is running on " + queue + ": stop it first");
  return fd;
}

// Whoever owns a directory may change its names while we look: what we make there as root is given away by
// its descriptor, and never through a link.

// The directory `name` below `parent`, made and given to its owner when it is missing.
Fd make_directory(int parent, const std::string& name, Owner owner) {
  const bool made = mkdirat(parent, name.c_str(), 0750) == 0;
  if (!made && errno != EEXIST) throw_errno("mkdir " + name);
  Fd fd = open_file_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!made) return fd;
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) throw_errno("stat " + name);
  if (status.st_uid != 0) throw TempError(name + ": somebody else is at work here; run qmail-qmove again");
  if (fchown(fd.get(), owner.uid, owner.gid) != 0) throw_errno("chown " + name);
  return fd;
}

// Nothing happens to one that is there.
void make_file(int directory, const std::string& name, Owner owner, mode_t mode) {
  const Fd fd = try_open_at(directory, name, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!fd && errno == EEXIST) return;
  if (!fd) throw_errno("create " + name);
  if (fchown(fd.get(), owner.uid, owner.gid) != 0 || fchmod(fd.get(), mode) != 0)
    throw_errno("chown " + name);
}

// What `make install` makes below queue, where it is missing.
void make_queue(const std::string& queue) {
  const Owner qmailq = daemon(conf::user_qmailq), qmails = daemon(conf::user_qmails),
              qmailr = daemon(conf::user_qmailr);
  // The way there is the operator's own, links and all.
  Fd top;
  if (mkdir(queue.c_str(), 0750) == 0) {
    top = open_file(queue, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fchown(top.get(), qmailq.uid, qmailq.gid) != 0) throw_errno("chown " + queue);
  } else {
    if (errno != EEXIST) throw_errno("mkdir " + queue);
    top = open_file(queue, O_RDONLY | O_DIRECTORY);
  }
  const bool is_new = faccessat(top.get(), "mess", F_OK, 0) != 0;
  for (const char* name : {"new", "bad", "hold"}) make_directory(top.get(), name, qmailq);
  const Fd mess = make_directory(top.get(), "mess", qmailq), lock = make_directory(top.get(), "lock", qmailq),
           state = make_directory(top.get(), "state", qmails);
  for (unsigned i = 0; is_new && i < conf::split; ++i) {
    make_directory(mess.get(), std::to_string(i), qmailq);
    make_directory(state.get(), std::to_string(i), qmails);
  }
  make_file(lock.get(), "sendmutex", qmails, 0600);
  make_file(lock.get(), "alive", qmails, 0644);
  make_file(lock.get(), "tcpto", qmailr, 0644);
}

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// The bytes of a file into an empty one, holes and blocks of zeros as holes.
void copy_sparse(int from, int to, const std::string& what) {
  constexpr std::size_t block = 65536;
  struct stat status {};
  if (fstat(from, &status) != 0) throw_errno("stat " + what);
  const std::string zeros(block, '\0');
  for (off_t at = 0; at < status.st_size;) {
    const off_t data = lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // a hole to the end
    if (data < 0) throw_errno("seek " + what);
    at = data;
    const std::string piece = pread_some(from, block - static_cast<std::size_t>(at) % block, at, what);
    if (piece.empty()) break;
    if (piece != zeros.substr(0, piece.size())) pwrite_all(to, piece, at, what);
    at += static_cast<off_t>(piece.size());
  }
  if (ftruncate(to, status.st_size) != 0) throw_errno("truncate " + what);
}

// A file without a name on the destination's file system, whole and on disk, ready to be linked.
class Copy {
 public:
  Copy(int source, const std::string& target, Owner owner, mode_t mode) : target_(target) {
    fd_ = open_file(directory_of(target), O_RDWR | O_TMPFILE, 0600);
    copy_sparse(source, fd_.get(), target);
    if (fchown(fd_.get(), owner.uid, owner.gid) != 0 || fchmod(fd_.get(), mode & 0750) != 0)
      throw_errno("chown " + target);
    fsync_fd(fd_.get(), target);
  }
  // False when the name is taken.
  bool link() const {
    const std::string unnamed = "/proc/self/fd/" + std::to_string(fd_.get());
    if (linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, target_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      if (errno == EEXIST) return false;
      throw_errno("link " + target_);
    }
    fsync_directory(directory_of(target_));
    return true;
  }

 private:
  std::string target_;
  Fd fd_;
};

class Move {
 public:
  Move(const std::string& source, const std::string& destination, bool remove)
      : source_(source),
        to_(QueueListing(destination).paths()),
        remove_(remove),
        qmailq_(daemon(conf::user_qmailq)),
        qmails_(daemon(conf::user_qmails)) {}

  int run() {
    for (const ListedMessage& listed : source_.messages) move_message(listed);
    for (const QueueId id : source_.bad) move_bad(id);
    write_all(1,
              std::to_string(copied_) + " messages " + (remove_ ? "moved" : "copied") + ", " +
                  std::to_string(renamed_) + " under another number, " + std::to_string(there_) +
                  " were there already, " + std::to_string(left_) + " left behind\n",
              "standard output");
    return left_ == 0 ? 0 : 1;
  }

 private:
  void leave(const std::string& path, const std::string& why) {
    ++left_;
    log_line(2, "qmail-qmove: " + path + ": " + why + "; left where it is (see qmail-qcheck)");
  }

  // The key of a message that has this number in the destination; nullopt when the number is free.
  std::optional<MessageKey> taken_by(QueueId id) const {
    for (const std::string& path : {to_.fresh(id), to_.mess(id)}) {
      OpenedMessage message;
      std::string why;
      const OpenResult result = open_message(path, message, why);
      if (result == OpenResult::ok) return message.header.key;
      if (result == OpenResult::damaged) return MessageKey{};
    }
    return std::nullopt;
  }

  void move_message(const ListedMessage& listed) {
    const std::string from = source_.path(listed);
    OpenedMessage message;
    std::string why;
    const OpenResult result = open_message(from, message, why);
    if (result == OpenResult::missing) return;
    if (result == OpenResult::ok) why = check_message_body(message);
    if (!why.empty()) return leave(from, why);

    QueueId id = listed.id;
    std::optional<MessageKey> other;
    while ((other = taken_by(id)) && *other != message.header.key) id = QueueId(id.value() + 1);
    const std::string state_from = source_.paths().state(listed.id);
    if (other) {
      ++there_;
    } else {
      const std::string target = listed.fresh ? to_.fresh(id) : to_.mess(id);
      // The state first: a message without it would be delivered again to those who have it.
      copy_state(state_from, to_.state(id), message.header.key);
      struct stat status {};
      if (fstat(message.fd.get(), &status) != 0) throw_errno("stat " + from);
      const Copy copy(message.fd.get(), target, qmailq_, status.st_mode);
      if (listed.held) mark_held(id);  // before it can be seen
      if (!copy.link()) throw TempError(target + ": appeared while this ran; run qmail-qmove again");
      OpenedMessage copied;
      if (open_message(target, copied, why) != OpenResult::ok || !check_message_body(copied).empty()) {
        unlink(target.c_str());
        throw TempError(target + ": the copy is not what was copied");
      }
      ++copied_;
      if (id != listed.id) ++renamed_;
    }
    if (!remove_) return;
    if (unlink(from.c_str()) != 0) throw_errno("unlink " + from);
    for (const std::string& path : {state_from, source_.paths().hold(listed.id)})
      if (unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno("unlink " + path);
  }

  void mark_held(QueueId id) {
    const std::string directory = directory_of(to_.hold(id));
    const Fd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
    make_file(fd.get(), id.text(), qmailq_, 0640);
    fsync_fd(fd.get(), directory);
  }

  void copy_state(const std::string& from, const std::string& target, const MessageKey& key) {
    const Fd fd = try_open(from, O_RDONLY);
    if (!fd && errno == ENOENT) return;
    if (!fd) throw_errno("open " + from);
    const std::optional<std::string> bytes = read_all(fd.get(), state_format::file_limit, from);
    if (!bytes || !parse_state(*bytes, key).ours) return;  // not this message's: qmail-send ignores it, too
    if (unlink(target.c_str()) != 0 && errno != ENOENT) throw_errno("unlink " + target);
    const Copy copy(fd.get(), target, qmails_, 0640);
    if (!copy.link()) throw TempError(target + ": appeared while this ran; run qmail-qmove again");
  }

  void move_bad(QueueId id) {
    const std::string from = source_.paths().bad(id), target = to_.bad(id);
    const Fd fd = open_file(from, O_RDONLY);
    const Copy copy(fd.get(), target, qmailq_, 0640);
    if (!copy.link()) return leave(from, "the destination has a bad message of that number");
    ++copied_;
    if (remove_ && unlink(from.c_str()) != 0) throw_errno("unlink " + from);
  }

  QueueListing source_;
  QueuePaths to_;
  const bool remove_;
  const Owner qmailq_, qmails_;
  std::size_t copied_ = 0, renamed_ = 0, there_ = 0, left_ = 0;
};

int body(int argc, char** argv) {
  const bool remove = argc > 1 && std::string_view(argv[1]) == "--delete";
  if (argc != (remove ? 4 : 3))
    throw PermError("usage: qmail-qmove [--delete] source-queue destination-queue");
  const std::string source = argv[argc - 2], destination = argv[argc - 1];
  if (geteuid() != 0) throw TempError("makes files of other users: run this as root");
  const Fd source_lock = lock_out_qmail_send(source);
  make_queue(destination);
  struct stat a {
  }, b{};
  if (stat(source.c_str(), &a) == 0 && stat(destination.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
      a.st_ino == b.st_ino)
    throw PermError("source and destination are the same queue");
  const Fd destination_lock = lock_out_qmail_send(destination);
  return Move(source, destination, remove).run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qmove", argc, argv, body);
}

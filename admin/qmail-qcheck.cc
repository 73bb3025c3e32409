// qmail-qcheck [--repair] [QUEUE]: reads every file of a queue and compares all checksums. man qmail-qcheck.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>

#include "admin/queue_listing.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "lib/store/statefile.h"

using namespace hato;

namespace {

class Check {
 public:
  Check(const std::string& queue, bool repair)
      : queue_(queue),
        repair_(repair),
        message_owner_(daemon(conf::user_qmailq)),
        state_owner_(daemon(conf::user_qmails)),
        out_(1, "standard output", 0, 65536) {}

  // Exit code: 0 when all is sound, or repaired.
  int run() {
    for (const ListedMessage& message : queue_.messages)
      unless_unreadable(queue_.path(message), [&] { check_message(message); });
    for (const ListedMessage& state : queue_.states)
      unless_unreadable(queue_.state_path(state), [&] { check_state(state); });
    for (const QueueId id : queue_.holds) check_hold(id);
    for (const Stray& stray : queue_.strays)
      finding(stray.path, "not a name that the queue gives out", "left alone");
    out_.put(std::to_string(messages_) + " messages checked, " + std::to_string(wrong_) + " wrong, " +
             std::to_string(queue_.bad.size()) + " in bad\n");
    out_.flush();
    return left_ == 0 ? 0 : 1;
  }

 private:
  static uid_t daemon(const char* name) {
    const std::optional<User> user = passwd_user(std::string(name));
    if (!user) throw TempError(std::string("user ") + name + " does not exist");
    return user->uid;
  }

  // A file that cannot be read (EIO, EACCES) is a finding, not the end of the check.
  template <typename Look>
  void unless_unreadable(const std::string& path, Look look) {
    try {
      look();
    } catch (const SystemError& e) {
      if (out_.failed()) throw;
      finding(path, e.text(), "left alone");
    }
  }

  // Nothing that can be done about it.
  void finding(const std::string& path, const std::string& why, const std::string& consequence) {
    ++wrong_, ++left_;
    out_.put(path + ": " + why + "; " + consequence + "\n");
  }

  // Says what is wrong and does, or says that it would do, something about it. `act` returns 0 or sets errno.
  template <typename Act>
  void finding(const std::string& path, const std::string& why, const std::string& would,
               const std::string& did, Act act) {
    ++wrong_;
    std::string line = path + ": " + why + "; ";
    if (!repair_) {
      ++left_;
      line += "would " + would;
    } else if (act() == 0) {
      line += did;
    } else {
      ++left_;
      line += "could not " + would + ": " + errno_text(errno);
    }
    out_.put(line + "\n");
  }

  void to_bad(const std::string& path, QueueId id, const std::string& why) {
    const std::string bad = queue_.paths().bad(id);
    finding(path, why, "move it to " + bad, "moved to " + bad,
            [&] { return renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, bad.c_str(), RENAME_NOREPLACE); });
  }

  void check_message(const ListedMessage& listed) {
    const std::string path = queue_.path(listed);
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return;  // delivered, or deferred, in the meantime
      throw_errno("stat " + path);
    }
    ++messages_;
    if (!S_ISREG(status.st_mode)) return finding(path, "not a regular file", "left alone");
    OpenedMessage message;
    std::string why;
    const OpenResult result = open_message(path, message, why);
    if (result == OpenResult::missing) return;
    if (result == OpenResult::damaged) return to_bad(path, listed.id, why);
    if (why = check_message_body(message); !why.empty()) return to_bad(path, listed.id, why);
    keys_.insert({listed.id, message.header.key});

    check_owner(path, status, message_owner_);
    const std::string place = queue_.paths().mess(listed.id);
    if (!listed.fresh && place != path)
      finding(path, "in the wrong subdirectory", "move it to " + place, "moved to " + place,
              [&] { return renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, place.c_str(), RENAME_NOREPLACE); });
  }

  void check_owner(const std::string& path, const struct stat& status, uid_t owner) {
    if (status.st_uid != owner)
      finding(path, "owner is uid " + std::to_string(status.st_uid),
              "give it to uid " + std::to_string(owner), "given to uid " + std::to_string(owner),
              [&] { return lchown(path.c_str(), owner, gid_t(-1)); });
    constexpr mode_t wrong_bits = S_IWGRP | S_IWOTH | S_IROTH | S_ISUID | S_ISGID;
    if (status.st_mode & wrong_bits) {
      const mode_t mode = status.st_mode & 07777 & ~wrong_bits;
      char text[32];
      snprintf(text, sizeof text, "mode is %04o", static_cast<unsigned>(status.st_mode & 07777));
      finding(path, text, "take the excess away", "taken away", [&] { return chmod(path.c_str(), mode); });
    }
  }

  bool message_exists(QueueId id) const {
    return access(queue_.paths().fresh(id).c_str(), F_OK) == 0 ||
           access(queue_.paths().mess(id).c_str(), F_OK) == 0;
  }

  void check_hold(QueueId id) {
    const std::string path = queue_.paths().hold(id);
    if (message_exists(id) || access(path.c_str(), F_OK) != 0) return;
    finding(path, "its message is gone", "remove it", "removed", [&] { return unlink(path.c_str()); });
  }

  void check_state(const ListedMessage& listed) {
    const std::string path = queue_.state_path(listed);
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return;
      throw_errno("stat " + path);
    }
    if (!S_ISREG(status.st_mode)) return finding(path, "not a regular file", "left alone");
    const auto remove = [&] { return unlink(path.c_str()); };
    if (!message_exists(listed.id)) {
      // qmail-send takes the message away first and the state after it.
      if (access(path.c_str(), F_OK) != 0) return;
      return finding(path, "its message is gone", "remove it", "removed", remove);
    }
    if (path != queue_.paths().state(listed.id))
      return finding(path, "in the wrong subdirectory",
                     "left alone: the recipients in it will be tried again");
    check_owner(path, status, state_owner_);
    const auto message = keys_.find(listed.id);
    if (message == keys_.end()) return;
    const std::optional<std::string> bytes = read_file(path, state_format::file_limit);
    if (!bytes) return;
    const ParsedState state = parse_state(*bytes, message->second);
    if (!state.ours)
      return finding(path, "belongs to another message of that name, or is damaged", "remove it", "removed",
                     remove);
    if (state.sound_bytes != bytes->size())
      finding(path, "damaged after " + std::to_string(state.sound_bytes) + " bytes",
              "left alone: qmail-send cuts it off and tries the recipients behind that again");
  }

  QueueListing queue_;
  const bool repair_;
  const uid_t message_owner_, state_owner_;
  Writer out_;
  std::map<QueueId, MessageKey> keys_;
  std::size_t messages_ = 0, wrong_ = 0, left_ = 0;
};

int body(int argc, char** argv) {
  bool repair = false;
  std::string queue = std::string(conf::home) + "/queue";
  int at = 1;
  if (at < argc && std::string_view(argv[at]) == "--repair") repair = true, ++at;
  if (at < argc && argv[at][0] != '-') queue = argv[at++];
  if (at != argc) throw PermError("usage: qmail-qcheck [--repair] [queue]");
  if (repair && geteuid() != 0) throw TempError("--repair moves other users' files: run this as root");
  return Check(queue, repair).run();
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qcheck", argc, argv, body);
}

// qmail-clean: removes and moves message files of the queue when qmail-send says so, as qmailq, who owns
// them. Its socket is fd 0, its log fd 2. It ends when qmail-send closes the socket.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "qmail-send/clean_protocol.h"

using namespace hato;

namespace {

// queue/bad may hold a file of that id already; then ID.1, ID.2 ... are tried.
constexpr int bad_names = 100;

CleanAnswer result(bool done) {
  return done ? CleanAnswer{true, ""} : CleanAnswer{false, errno_text(errno)};
}

class Cleaner {
 public:
  explicit Cleaner(const QueuePaths& paths)
      : queue_(open_file(paths.queue, O_RDONLY | O_DIRECTORY)), split_(paths.split) {}

  std::vector<CleanAnswer> obey(const std::vector<CleanCommand>& commands) {
    std::vector<CleanAnswer> answers;
    for (const CleanCommand& command : commands) answers.push_back(obey(command));
    sync_touched(commands, answers);
    return answers;
  }

 private:
  CleanAnswer obey(const CleanCommand& command) {
    const std::string from = place(command.in_new, command.id);
    switch (command.verb) {
      case CleanVerb::unlink:
        return result(unlinkat(queue_.get(), from.c_str(), 0) == 0 || errno == ENOENT);
      case CleanVerb::defer:
        return result(move(from, place(false, command.id)));
      case CleanVerb::bad:
        return move_to_bad(from, command.id);
      case CleanVerb::remove:
        return result(take_away("new", command.id) && take_away(mess_directory(command.id), command.id) &&
                      take_away("hold", command.id));
      case CleanVerb::hold:
        return result(mark_held(command.id));
      case CleanVerb::release:
        return result(take_away("hold", command.id));
      case CleanVerb::sync:
        return result(sync_state(command.id));
    }
    return {false, "unknown command"};
  }

  // What belongs to the operator's commands is made durable once for all of a packet.
  void sync_touched(const std::vector<CleanCommand>& commands, std::vector<CleanAnswer>& answers) {
    for (const std::string& directory : touched_) {
      const Fd fd(openat(queue_.get(), directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (fd && fsync(fd.get()) == 0) continue;
      const CleanAnswer failed = result(false);
      for (std::size_t i = 0; i < commands.size(); ++i)
        if (commands[i].verb >= CleanVerb::remove && answers[i].done) answers[i] = failed;
    }
    touched_.clear();
  }
  // True when the name is not there afterwards.
  bool take_away(const std::string& directory, QueueId id) {
    if (unlinkat(queue_.get(), (directory + "/" + id.text()).c_str(), 0) != 0) return errno == ENOENT;
    touched_.insert(directory);
    return true;
  }
  bool mark_held(QueueId id) {
    const Fd fd(
        openat(queue_.get(), ("hold/" + id.text()).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (!fd && errno != EEXIST) return false;
    touched_.insert("hold");
    return true;
  }
  bool sync_state(QueueId id) {
    const std::string directory = "state/" + std::to_string(id.value() % split_);
    const Fd fd(
        openat(queue_.get(), (directory + "/" + id.text()).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || fsync(fd.get()) != 0) return false;
    touched_.insert(directory);
    return true;
  }

  std::string mess_directory(QueueId id) const { return "mess/" + std::to_string(id.value() % split_); }
  std::string place(bool in_new, QueueId id) const {
    if (in_new) return "new/" + id.text();
    return mess_directory(id) + "/" + id.text();
  }
  bool move(const std::string& from, const std::string& to) const {
    return renameat2(queue_.get(), from.c_str(), queue_.get(), to.c_str(), RENAME_NOREPLACE) == 0;
  }
  CleanAnswer move_to_bad(const std::string& from, QueueId id) const {
    std::string to = "bad/" + id.text();
    for (int n = 1; n <= bad_names; ++n) {
      if (move(from, to)) return {true, ""};
      if (errno != EEXIST) break;
      to = "bad/" + id.text() + "." + std::to_string(n);
    }
    return result(false);
  }

  Fd queue_;
  unsigned split_;
  std::set<std::string> touched_;  // directories that are to be synced before the packet is answered
};

void serve(int socket, Cleaner& cleaner) {
  for (;;) {
    const std::optional<Message> packet = receive_message(socket, clean_packet_limit);
    if (!packet || packet->data.empty()) return;
    const auto commands = decode_clean_commands(packet->data);
    if (!commands) throw TempError("a packet that is no command: " + log_safe(packet->data, 200));
    if (!send_message(socket, encode_clean_answers(cleaner.obey(*commands)))) return;
  }
}

int body(int, char**) {
  const QueuePaths paths;
  drop_root_to(conf::user_qmailq);
  umask(027);
  Cleaner cleaner(paths);
  seal(seal_profile::cleaner, {{paths.queue, true}});
  serve(0, cleaner);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-clean", argc, argv, body);
}

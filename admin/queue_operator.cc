#include "admin/queue_operator.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/net/send_channel.h"
#include "lib/store/statefile.h"

namespace hato {

namespace {

constexpr int patience_seconds = 5;  // for a qmail-send that starts or stops
constexpr int answer_seconds = 300;  // for one packet: its fsyncs wait behind a busy disk
constexpr mode_t file_mode = 0640;

SendAnswer done() {
  return {RequestOutcome::done, 0, ""};
}
SendAnswer none() {
  return {RequestOutcome::none, 0, ""};
}

class RunningSend : public QueueOperator {
 public:
  explicit RunningSend(SendChannel channel) : channel_(std::move(channel)) {}
  std::vector<SendAnswer> ask(const std::vector<SendRequest>& requests) override {
    return channel_.ask(requests, answer_seconds);
  }

 private:
  SendChannel channel_;
};

// Does with the files what qmail-send and qmail-clean would.
class StoppedSend : public QueueOperator {
 public:
  StoppedSend(QueuePaths paths, Fd lock) : paths_(std::move(paths)), lock_(std::move(lock)) {
    const std::optional<User> qmailq = passwd_user(conf::user_qmailq),
                              qmails = passwd_user(conf::user_qmails);
    const std::optional<gid_t> group = group_id(conf::group_qmail);
    if (!qmailq || !qmails || !group)
      throw TempError("the queue's users do not exist; make install creates them");
    qmailq_ = qmailq->uid, qmails_ = qmails->uid, group_ = *group;
  }

  std::vector<SendAnswer> ask(const std::vector<SendRequest>& requests) override {
    std::vector<SendAnswer> answers;
    for (const SendRequest& request : requests) try {
        answers.push_back(obey(request));
      } catch (const Error& e) {
        answers.push_back({RequestOutcome::failed, 0, e.text()});
      }
    for (const std::string& directory : touched_) fsync_directory(directory);
    touched_.clear();
    return answers;
  }

 private:
  SendAnswer obey(const SendRequest& request) {
    if (request.verb == RequestVerb::status || request.verb == RequestVerb::flush)
      return {RequestOutcome::refused, 0, "qmail-send is not running"};
    if (!exists(paths_.fresh(request.id)) && !exists(paths_.mess(request.id))) return none();
    switch (request.verb) {
      case RequestVerb::hold:
        return hold(request.id);
      case RequestVerb::release:
        return take_away(paths_.hold(request.id)) ? done() : none();
      case RequestVerb::remove:
        return request.recipients.empty() ? remove(request.id) : resolve(request);
      case RequestVerb::bounce:
        return resolve(request);
      default:
        return {RequestOutcome::refused, 0, "qmail-send is not running: nothing is tried until it does"};
    }
  }

  static bool exists(const std::string& path) {
    struct stat st;
    return stat(path.c_str(), &st) == 0;
  }
  // False when it was not there.
  bool take_away(const std::string& path) {
    if (unlink(path.c_str()) != 0) {
      if (errno == ENOENT) return false;
      throw_errno("unlink " + path);
    }
    touched_.insert(path.substr(0, path.rfind('/')));
    return true;
  }

  SendAnswer hold(QueueId id) {
    const std::string path = paths_.hold(id);
    const Fd fd = try_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, file_mode);
    if (!fd && errno != EEXIST) throw_errno("create " + path);
    if (fd && fchown(fd.get(), qmailq_, group_) != 0) throw_errno("chown " + path);
    touched_.insert(paths_.queue + "/hold");
    return done();
  }
  // qmail-send's order: the message, then what belongs to it.
  SendAnswer remove(QueueId id) {
    for (const std::string& path : {paths_.fresh(id), paths_.mess(id), paths_.hold(id), paths_.state(id)})
      take_away(path);
    return done();
  }

  SendAnswer resolve(const SendRequest& request) {
    const QueueId id = request.id;
    OpenedMessage message;
    std::string why;
    OpenResult result = open_message(paths_.mess(id), message, why);
    if (result == OpenResult::missing) result = open_message(paths_.fresh(id), message, why);
    if (result == OpenResult::missing) return none();
    if (result == OpenResult::damaged) return {RequestOutcome::failed, 0, "the file is damaged: " + why};
    StateFile state(paths_.state(id), message.header.key);
    std::set<std::uint32_t> left;
    for (std::uint32_t i = 0; i < message.envelope.recipients.size(); ++i) left.insert(i);
    for (const StateRecord& record : state.load())
      if (is_about_recipient(record.type)) left.erase(record.recipient);
    std::vector<std::uint32_t> wanted = request.recipients;
    if (wanted.empty()) wanted.assign(left.begin(), left.end());
    bool changed = false;
    for (const std::uint32_t index : wanted) {
      if (left.erase(index) == 0) continue;
      const bool bounce = request.verb == RequestVerb::bounce;
      state.append({bounce ? StateType::failed : StateType::removed, index,
                    bounce ? request.text + "\n" : "uid " + std::to_string(getuid())});
      changed = true;
    }
    if (!changed) return none();
    state.close();
    const std::string path = paths_.state(id);
    const Fd fd = open_file(path, O_RDONLY | O_NOFOLLOW);
    if (fchown(fd.get(), qmails_, group_) != 0 || fchmod(fd.get(), file_mode) != 0)
      throw_errno("chown " + path);
    fsync_fd(fd.get(), path);
    touched_.insert(path.substr(0, path.rfind('/')));
    if (left.empty()) take_away(paths_.hold(id));  // nothing is left to hold but its end
    return done();
  }

  QueuePaths paths_;
  Fd lock_;
  uid_t qmailq_ = 0, qmails_ = 0;
  gid_t group_ = 0;
  std::set<std::string> touched_;
};

}  // namespace

std::unique_ptr<QueueOperator> find_operator(const QueuePaths& paths) {
  const Deadline patience = Deadline::in_seconds(patience_seconds);
  for (;;) {
    SendChannel channel;
    if (channel.connect(send_socket_path())) {
      drop_root_to(conf::user_qmails);
      return std::make_unique<RunningSend>(std::move(channel));
    }
    if (errno == EACCES || errno == EPERM) throw TempError("run this as root");
    const std::string why = errno_text(errno);
    Fd lock = try_open(paths.lock("sendmutex"), O_WRONLY);
    if (!lock && (errno == EACCES || errno == EPERM)) throw TempError("run this as root");
    if (!lock) throw_errno("open " + paths.lock("sendmutex"));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      if (geteuid() != 0) throw TempError("qmail-send is not running, so only root can do this");
      return std::make_unique<StoppedSend>(paths, std::move(lock));
    }
    if (patience.passed())
      throw TempError("qmail-send is running but does not listen at " + send_socket_path() + ": " + why);
    const timespec pause{0, 100 * 1000 * 1000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace hato

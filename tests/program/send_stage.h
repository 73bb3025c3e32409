// For program tests: the real qmail-send and qmail-clean of this prefix, between a queue that the test fills
// and spawners that the test plays, so that every report, delay and death can be had.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/store/queuefile.h"
#include "lib/store/statefile.h"
#include "qmail-send/schedule.h"
#include "qmail-send/spawn_protocol.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"
#include "tests/program/queue_program.h"

namespace hato::test {

inline constexpr Channel here = Channel::local, there = Channel::remote;

// A message with parameters, as qmail-smtpd takes them.
QueuedEnvelope asking(const std::string& sender, const std::string& params,
                      std::vector<Recipient> recipients);

struct Asked {
  DeliveryRequest request;
  Fd message;
};

class SendStage {
 public:
  // An empty queue, and control files (me=test.example is always there). Nothing runs yet.
  explicit SendStage(const Controls& control = {});
  ~SendStage();
  SendStage(const SendStage&) = delete;
  SendStage& operator=(const SendStage&) = delete;

  // Puts a message into queue/new (or queue/mess) as the gate would. `age`: seconds since its birth.
  QueueId put(const std::string& sender, const std::vector<std::string>& recipients, std::int64_t age = 0,
              bool in_new = true, const std::string& text = "Subject: x\n\nbody\n");
  QueueId put(const QueuedEnvelope& envelope, std::int64_t age = 0, bool in_new = true,
              const std::string& text = "Subject: x\n\nbody\n");
  // Whom the gate knows the messages put from now on to come from; 1234 at first.
  void comes_from(uid_t uid) { uid_ = uid; }
  void pull_trigger(QueueId id);
  QueueId put_and_pull(const std::string& sender, const std::vector<std::string>& recipients) {
    const QueueId id = put(sender, recipients);
    pull_trigger(id);
    return id;
  }
  // queue/lock/alive says that every slot was used until so many seconds ago.
  void served_until(std::int64_t seconds_ago);

  void start(const std::map<std::string, std::string>& env = {}, bool own_cleaner = false);
  // The next request to a spawner; nullopt when none comes.
  std::optional<Asked> request(Channel channel, int seconds = 10);
  void report(Channel channel, std::uint32_t delivery, char status, const std::string& text = "",
              HostSays host = HostSays::nothing);
  // Reports on the next request, which it returns. Fails the test when none comes.
  DeliveryRequest answer(Channel channel, char status, const std::string& text = "",
                         HostSays host = HostSays::nothing);
  void say(Channel channel, const std::string& packet);  // whatever bytes
  // A spawner or qmail-clean "dies".
  void hang_up(Channel channel) { ours(channel).reset(); }
  void kill_cleaner() { cleaner_.reset(); }

  Process& process() { return *process_; }
  // Ends it: SIGTERM and wait; the exit code.
  int stop(int seconds = 20);
  void kill();

  std::string log() const { return slurp(log_path_); }
  bool logged(const std::string& text, int seconds = 10) const;
  std::size_t times_logged(const std::string& text) const;

  bool in_new(QueueId id) const;
  bool in_mess(QueueId id) const;
  bool gone(QueueId id) const { return !in_new(id) && !in_mess(id); }
  std::vector<StateRecord> state(QueueId id) const;
  bool has_state(QueueId id) const;
  std::vector<std::string> bad() const;
  const QueuePaths& paths() const { return paths_; }
  // The path of a program in the gate's place ($QMAILQUEUE), which exits with `code`; what it was given last.
  std::string queue_program(int code) const {
    queue_.ends("exit " + std::to_string(code));
    return queue_.path();
  }
  std::string kept_message() const { return queue_.message(); }
  std::string kept_envelope() const { return queue_.envelope(); }  // with | for NUL
  void forget_kept() const { queue_.forget(); }
  std::string scratch(const std::string& name) const { return scratch_.file(name); }

 private:
  Fd& ours(Channel channel) { return spawners_[static_cast<unsigned>(channel)]; }
  void empty_queue() const;

  ScratchDirectory scratch_;
  std::string log_path_;
  uid_t uid_ = 1234;
  QueuePaths paths_;
  ControlFiles control_files_;
  QueueProgram queue_;
  Fd spawners_[channels];
  std::unique_ptr<Process> process_, cleaner_;
  std::map<std::uint64_t, MessageKey> keys_;
};

}  // namespace hato::test

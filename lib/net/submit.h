// Submits one message, as every program of the suite does that makes or passes on mail: through the gate, or,
// where $QMAILQUEUE is set, through the program it names (qmail-queue(8)'s interface: message on fd 0,
// envelope on fd 1, a text for exit code 82 on fd 6; a relative name is taken from conf::home).
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "lib/net/gate.h"

namespace hato {

// control/timeoutgate's default: how long a local sender waits for the gate, in seconds.
inline constexpr std::int64_t default_timeoutgate = 60;
// How long the gate may take to answer a commit: content services have four minutes, the disk the rest.
inline constexpr std::int64_t commit_seconds = 600;
// Bytes of a queue program's text on fd 6 that are read.
inline constexpr std::size_t queue_text_limit = 255;

// One message's way in; construct a new one for each. Nothing is queued unless commit() answers code 0: an
// object that goes away before that leaves nothing. No member throws for what the gate or the program does; a
// lack of processes or descriptors on our side is a SystemError.
class Submission {
 public:
  Submission() = default;
  ~Submission();
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  // Connects to the gate (waiting up to control/timeoutgate) or starts the program. Code 0, or why not, and
  // then the object is of no more use.
  GateResult open(const GateOrigin& origin);
  // What the gate said of its defaults; null with $QMAILQUEUE.
  const Admission* admission() const { return gate_ ? &gate_->admission() : nullptr; }

  // In this order: pieces of the message (LF line ends), then the sender, then recipients, then commit.
  void message(std::string_view piece);
  void sender(std::string_view address, std::string_view params = "");
  void recipient(std::string_view address, std::string_view params = "");
  GateResult commit();
  // True when it is refused already: stop sending, commit() tells why.
  bool refused() const { return gate_ ? gate_->refused() : write_failed_; }

 private:
  GateResult start_program(const std::string& program);
  GateResult finish_program();
  void write_to_program(Fd& fd, std::string_view data);

  std::unique_ptr<Gate> gate_;
  pid_t program_ = -1;
  Fd message_, envelope_, text_;
  std::string envelope_bytes_;
  bool write_failed_ = false;
};

// Nothing for code 0; else throws PermError or TempError with the result's sentence.
void check_queued(const GateResult& result);

// What a local program tells of where a message comes from: a CGI's $SCRIPT_FILENAME and $SERVER_NAME.
GateOrigin local_origin();

// $QMAILQUEUE when it is set and not empty. In a mini installation, where HOME/bin/qmail-queue is a symbolic
// link (to qmail-qmqpc), that link: there is no gate.
std::optional<std::string> queue_program();

// The rest of fd, from where it stands to its end, as pieces of the message. Throws SystemError("read
// message").
void submit_rest_of(int fd, Submission& submission);

}  // namespace hato

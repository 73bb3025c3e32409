// Puts notices into the queue without the event loop ever waiting for the gate: a forked child
// makes and injects one notice (lib/net/submit.h, so $QMAILQUEUE is honoured) and reports over a pipe. The
// child dies with qmail-send; what it had not committed then does not exist.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/store/queuefile.h"
#include "qmail-send/notice_job.h"

namespace hato {

constexpr std::size_t notice_children = 5;  // notices being injected at once

struct NoticeOutcome {
  QueueId id;
  int code = 0;          // qmail-queue's exit code; 0: accepted
  std::uint32_t qp = 0;  // pid of the process that handed it in
  std::string text;      // D or Z and a sentence; "" when accepted
  bool loops = false;    // nothing was sent: a double bounce of ours has come back (double_bounce_field)
  bool accepted() const { return code == 0 && !loops; }
  bool refused() const { return code != 0 && text.starts_with('D'); }
};

class NoticeSender {
 public:
  bool full() const { return children_.size() >= notice_children; }
  bool idle() const { return children_.empty(); }
  // Throws SystemError when there can be no child. Whoever catches SIGCHLD reaps it.
  void start(const NoticeJob& job);
  // qmail-send is to exit: ends those that have not asked for their commit yet (they may be waiting for a
  // gate that is gone); the others are to be waited for.
  void hurry();
  // Descriptors to wait on for reading.
  std::vector<int> fds() const;
  // To be called when one of fds() is readable: what has ended.
  std::vector<NoticeOutcome> collect();

 private:
  struct Child {
    QueueId id;
    Fd pipe;
    std::string said;
    pid_t pid;
  };
  std::vector<Child> children_;
  bool hurried_ = false;
};

}  // namespace hato

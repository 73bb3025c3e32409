// How qmail-q has its changes made: by the qmail-send that runs, over its socket, or, while none runs, by
// itself under qmail-send's lock. Either way what was answered "done" survives a power cut.
#pragma once

#include <memory>
#include <vector>

#include "lib/net/send_request.h"
#include "lib/store/queuefile.h"

namespace hato {

class QueueOperator {
 public:
  QueueOperator() = default;
  QueueOperator(const QueueOperator&) = delete;
  QueueOperator& operator=(const QueueOperator&) = delete;
  virtual ~QueueOperator() = default;

  // An answer to each, in order. Throws TempError when qmail-send went away meanwhile.
  virtual std::vector<SendAnswer> ask(const std::vector<SendRequest>& requests) = 0;
};

// Waits a moment for a qmail-send that is just starting. Without one: takes its lock and keeps it until the
// end, which needs root. Throws TempError when neither is to be had. With a qmail-send that answers, a root
// process has become qmails afterwards.
std::unique_ptr<QueueOperator> find_operator(const QueuePaths& paths);

}  // namespace hato

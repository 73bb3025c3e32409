// Messages through the gate (lib/net/gate.h), the way of every message unless $QMAILQUEUE is set.
#pragma once

#include <string>

#include "lib/net/server_queue.h"

namespace hato {

class GateQueue : public ServerQueue {
 public:
  // path of the gate's socket as this process sees it (it may be in a chroot).
  explicit GateQueue(std::string path) : path_(std::move(path)) {}
  std::unique_ptr<ServerSubmission> open(const GateOrigin& origin, GateResult& refused) override;

 private:
  std::string path_;
};

}  // namespace hato

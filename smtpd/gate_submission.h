// Messages through the gate (lib/net/gate.h), the way of every message unless $QMAILQUEUE is set.
#pragma once

#include <string>

#include "smtpd/submission.h"

namespace hato::smtpd {

class GateQueue : public Queue {
 public:
  // path of the gate's socket as this process sees it (it may be in a chroot).
  explicit GateQueue(std::string path) : path_(std::move(path)) {}
  std::unique_ptr<Submission> open(const GateOrigin& origin, Outcome& refused) override;

 private:
  std::string path_;
};

}  // namespace hato::smtpd

// A message on its way from an SMTP session into the queue. Two ways: the gate (gate_submission.h) and a
// program named by $QMAILQUEUE (program_submission.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/net/gate.h"

namespace hato::smtpd {

// How it ended.
struct Outcome {
  int code = 0;          // qmail-queue's exit code (lib/base/queue_exit.h); 0: the message is in the queue
  std::string text;      // with code 82: D or Z and a sentence
  std::uint32_t qp = 0;  // process that queued it
};

struct SubmissionEnvelope {
  std::string sender;      // raw; empty is the null sender
  std::string parameters;  // ESMTP words of MAIL that the queue keeps: "BODY=8BITMIME SMTPUTF8 RET=HDRS"
  std::vector<Recipient> recipients;
};

// Destroying one that was not committed leaves nothing in the queue.
class Submission {
 public:
  Submission() = default;
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;
  virtual ~Submission() = default;

  virtual void text(std::string_view piece) = 0;  // LF line ends; never throws for what the other side does
  virtual Outcome commit(const SubmissionEnvelope& envelope) = 0;
};

class Queue {
 public:
  Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  virtual ~Queue() = default;

  // Null and `refused` set when the queue takes no message now.
  virtual std::unique_ptr<Submission> open(const GateOrigin& origin, Outcome& refused) = 0;
};

}  // namespace hato::smtpd

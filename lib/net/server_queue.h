// A message on its way from a sealed server (SMTP, QMTP, QMQP) into the queue. Two ways: the gate
// (gate_queue.h) and a program named by $QMAILQUEUE (program_queue.h). Programs that are not sealed have
// submit.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/privilege.h"
#include "lib/mail/envelope.h"
#include "lib/net/gate.h"

namespace hato {

struct SubmissionEnvelope {
  std::string sender;      // raw; empty is the null sender
  std::string parameters;  // ESMTP words of MAIL that the queue keeps: "BODY=8BITMIME SMTPUTF8 RET=HDRS"
  std::vector<Recipient> recipients;
};

// Destroying one that was not committed leaves nothing in the queue.
class ServerSubmission {
 public:
  ServerSubmission() = default;
  ServerSubmission(const ServerSubmission&) = delete;
  ServerSubmission& operator=(const ServerSubmission&) = delete;
  virtual ~ServerSubmission() = default;

  virtual void text(std::string_view piece) = 0;  // LF line ends; never throws for what the other side does
  virtual GateResult commit(const SubmissionEnvelope& envelope) = 0;
};

class ServerQueue {
 public:
  ServerQueue() = default;
  ServerQueue(const ServerQueue&) = delete;
  ServerQueue& operator=(const ServerQueue&) = delete;
  virtual ~ServerQueue() = default;

  // Null and `refused` set when the queue takes no message now.
  virtual std::unique_ptr<ServerSubmission> open(const GateOrigin& origin, GateResult& refused) = 0;
};

// The last step before the first byte from a client: chooses the way by queue_program() of submit.h, gives
// root up with HOME/gate for the new root, and seals (seal_profile::smtpd). After it nothing but the queue
// can be reached. program: for error texts; logging: descriptor 2 is a log (has_log()).
std::unique_ptr<ServerQueue> open_queue_and_seal(const char* program, Privilege& privilege, bool logging);

}  // namespace hato

// Messages through the program that $QMAILQUEUE names, by qmail-queue's interface: the message on its fd 0,
// the envelope on fd 1, a text of its own for exit code 82 on fd 6 (qmail-queue(8)).
//
// The session is sealed and cannot exec; a starter, forked before sealing, runs just that one program, with
// the session's environment. A relative name is looked up from the home directory.
#pragma once

#include <string>

#include "lib/base/fd.h"
#include "lib/net/server_queue.h"

namespace hato {

// Forks the starter. server: the program that asks, for error texts; user: who it becomes when it is root;
// has_log: descriptor 2 is a log, which the program may write to, and not the client. Returns the socket by
// which the session asks it.
Fd start_starter(const char* server, const std::string& program, const std::string& user, bool has_log);

class ProgramQueue : public ServerQueue {
 public:
  explicit ProgramQueue(Fd starter) : starter_(std::move(starter)) {}
  std::unique_ptr<ServerSubmission> open(const GateOrigin& origin, GateResult& refused) override;

 private:
  Fd starter_;
};

}  // namespace hato

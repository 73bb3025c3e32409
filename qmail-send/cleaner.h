// qmail-send's end of the socket to qmail-clean: commands are gathered, sent a packet at a time, and answered
// in order. Never blocks.
#pragma once

#include <deque>
#include <vector>

#include "lib/base/fd.h"
#include "qmail-send/clean_protocol.h"

namespace hato {

class Cleaner {
 public:
  // Takes the descriptor over and makes it non-blocking.
  explicit Cleaner(Fd socket);

  int fd() const { return socket_.get(); }
  void ask(const CleanCommand& command) { waiting_.push_back(command); }

  // Sends what was asked since; false when qmail-clean is gone.
  bool flush();
  // More is to be sent than the socket takes now: wait until it is writable.
  bool blocked() const { return !waiting_.empty(); }
  // Neither waiting nor unanswered commands.
  bool idle() const { return waiting_.empty() && unanswered_.empty(); }

  struct Done {
    CleanCommand command;
    CleanAnswer answer;
  };
  // One packet of answers, with their commands; empty when there is none. Sets gone when qmail-clean is, or
  // when it answers what nobody asked.
  std::vector<Done> answers(bool& gone);

 private:
  Fd socket_;
  std::deque<CleanCommand> waiting_, unanswered_;
};

}  // namespace hato

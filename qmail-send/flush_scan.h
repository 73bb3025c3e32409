// Looks for the deferred messages with a recipient in some domain, without the event loop ever opening one:
// a forked child reads headers and envelopes in queue/mess and reports over a pipe. One child at a time; what
// is asked for meanwhile waits for the next, which serves all that waits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/store/queuefile.h"
#include "qmail-send/request_server.h"

namespace hato {

constexpr std::size_t flush_domains = 100;        // under way and waiting together
constexpr std::int64_t flush_patience_ms = 4000;  // then an asker hears what was found so far

class FlushScan {
 public:
  // False: too many are waiting. domain: as flush_domain() gives it.
  bool ask(const std::string& domain, const Ticket& ticket);
  // Starts a child when one is needed and none is there. Throws SystemError when there can be none.
  void start(const QueuePaths& paths);
  bool idle() const { return running_.empty() && waiting_.empty(); }

  int fd() const { return pipe_.get(); }  // to wait on for reading; -1 when no child is there
  // To be called when fd() is readable: what it found.
  std::vector<QueueId> collect();

  struct Answered {
    Ticket ticket;
    SendAnswer answer;
  };
  // Those whose domain was looked for to the end, or whose patience is over.
  std::vector<Answered> answers();
  // Milliseconds until somebody's patience is over; -1 when nobody waits.
  int patience_ms() const;

 private:
  struct Wanted {
    std::string domain;
    Ticket ticket;
    std::int64_t until;  // milliseconds of the steady clock
    std::uint64_t found = 0;
    bool complete = false, failed = false, answered = false;
  };
  std::vector<Wanted> running_, waiting_;
  Fd pipe_;
  std::string said_;
};

}  // namespace hato

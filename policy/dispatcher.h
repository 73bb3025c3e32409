// qmail-rcptd's connections and its workers. One process holds the connections of all sessions and never
// looks at a file; requests go to workers, each of which may take as long as a home's file system does. A
// request that is not answered in time is answered with "go on", and its worker is waited for.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/service_life.h"
#include "policy/recipient_check.h"

namespace hato {

constexpr std::size_t rcptd_connections = 1000;  // at once; one more takes the place of the longest idle
constexpr std::size_t rcptd_workers = 16;        // started as they are needed
constexpr std::int64_t rcptd_seconds = 10;       // for one request; qmail-smtpd waits for 30

class Dispatcher {
 public:
  // check: what workers use, in copies of this process.
  Dispatcher(Fd listening, RecipientCheck& check) : listening_(std::move(listening)), check_(check) {}
  // Until it is over.
  void run(ServiceLife& life);

 private:
  struct Connection {
    std::uint64_t number;
    Fd socket;
    uid_t uid;
    std::string input;
    bool asked = false;  // a request is on its way, and nothing more is read
    Deadline deadline = Deadline::never();
    std::uint64_t used = 0;
  };
  struct Worker {
    pid_t pid;
    Fd socket;
    std::uint64_t serves = 0;  // the connection; 0: none
    bool busy = false;         // also with a request that nobody waits for any more
  };

  void accept_one();
  void read_from(Connection& connection);
  void answer(std::uint64_t connection, std::string_view text);
  // A worker that is free, or a new one; null when there are enough.
  Worker* free_worker();
  void hand_out();
  void read_from(Worker& worker);
  void give_up_late_ones();
  void reap();
  Connection* find(std::uint64_t number);
  int work(int socket);

  Fd listening_;
  RecipientCheck& check_;
  std::list<Connection> connections_;
  std::list<Worker> workers_;
  std::deque<std::uint64_t> waiting_;  // connections whose request has no worker yet
  std::uint64_t last_number_ = 0, clock_ = 0;
  std::int64_t logged_ = -1;  // the second of the last line about lateness
};

}  // namespace hato

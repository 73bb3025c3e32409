// How long a service goes on that qmail-start(8) may keep: until SIGTERM or SIGINT, or, when descriptor 0 is
// a pipe, until nobody holds its other end any more.
#pragma once

#include <poll.h>
#include <signal.h>

#include <vector>

namespace hato {

class ServiceLife {
 public:
  // SIGTERM, SIGINT and SIGCHLD come only inside of wait() from now on; a child that is to have them as ever
  // calls default_signals(). One in a process.
  ServiceLife();
  ServiceLife(const ServiceLife&) = delete;
  ServiceLife& operator=(const ServiceLife&) = delete;

  // Waits until one of `polled` is ready, whose revents are 0 before, until `ms` are over (-1: never) or a
  // child has ended. False: it is over. Throws SystemError.
  bool wait(std::vector<pollfd>& polled, int ms);
  bool over() const { return over_; }

 private:
  int lifeline_;  // -1: none
  sigset_t waiting_;
  bool over_ = false;
};

}  // namespace hato

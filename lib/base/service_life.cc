#include "lib/base/service_life.h"

#include <errno.h>
#include <sys/stat.h>

#include "lib/base/error.h"

namespace hato {

namespace {

volatile sig_atomic_t told_to_end = 0;
void on_signal(int number) {
  if (number != SIGCHLD) told_to_end = 1;  // which only has to interrupt ppoll
}

bool is_pipe(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

ServiceLife::ServiceLife() : lifeline_(is_pipe(0) ? 0 : -1) {
  constexpr int numbers[] = {SIGTERM, SIGINT, SIGCHLD};
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : numbers) sigaddset(&ours, number);
  sigprocmask(SIG_BLOCK, &ours, &waiting_);
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : numbers) {
    sigaction(number, &action, nullptr);
    sigdelset(&waiting_, number);
  }
}

bool ServiceLife::wait(std::vector<pollfd>& polled, int ms) {
  const timespec patience{ms / 1000, ms % 1000 * 1000000L};
  polled.push_back({lifeline_, POLLIN, 0});
  const int ready = ppoll(polled.data(), polled.size(), ms < 0 ? nullptr : &patience, &waiting_);
  const bool cut = ready > 0 && polled.back().revents != 0;
  polled.pop_back();
  if (ready < 0 && errno != EINTR) throw_errno("ppoll");
  if (cut || told_to_end) over_ = true;
  return !over_;
}

}  // namespace hato

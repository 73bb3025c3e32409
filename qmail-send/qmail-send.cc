// qmail-send: decides what is delivered when. Started by qmail-start with the log on fds 0 and 2, the sockets
// of qmail-lspawn, qmail-rspawn and qmail-clean on fds 3, 4 and 5.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "qmail-send/dispatch.h"

using namespace hato;

namespace {

SendSignals signals;

void on_signal(int number) {
  if (number == SIGTERM) signals.exit_soon = 1;
  if (number == SIGALRM) signals.run_now = 1;
  if (number == SIGHUP) signals.reread = 1;
  if (number == SIGCHLD) signals.child_ended = 1;
}

// The four signals are seen only while the loop sleeps; returns the mask to sleep with.
sigset_t catch_signals() {
  ignore_sigpipe();
  sigset_t held, before;
  sigemptyset(&held);
  for (const int number : {SIGTERM, SIGALRM, SIGHUP, SIGCHLD}) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigaction(number, &action, nullptr);
    sigaddset(&held, number);
  }
  sigprocmask(SIG_BLOCK, &held, &before);
  for (const int number : {SIGTERM, SIGALRM, SIGHUP, SIGCHLD}) sigdelset(&before, number);
  return before;
}

// A descriptor is under way for each delivery that a spawner has not read yet.
void raise_descriptor_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Fd take_mutex(const QueuePaths& paths) {
  Fd mutex = open_file(paths.lock("sendmutex"), O_WRONLY);
  if (flock(mutex.get(), LOCK_EX | LOCK_NB) != 0) throw TempError("qmail-send is already running");
  return mutex;
}

Fd partner(int number) {
  struct stat st;
  if (fstat(number, &st) != 0 || !S_ISSOCK(st.st_mode))
    throw TempError("descriptor " + std::to_string(number) +
                    " is no socket: qmail-send is started by qmail-start");
  set_cloexec(number, true);  // not for the programs that we start
  return Fd(number);
}

int body(int, char**) {
  try {
    drop_root_to(conf::user_qmails);
    umask(027);
    raise_descriptor_limit();
    const sigset_t mask = catch_signals();
    const QueuePaths paths;
    const Control control;
    const SendSettings settings = read_send_settings(control);
    Dispatch::Parts parts{paths, settings, control, 0, {partner(3), partner(4)}, partner(5)};
    const Fd mutex = take_mutex(paths);
    Dispatch dispatch(std::move(parts));
    dispatch.start();
    dispatch.run(signals, mask);
    return 0;
  } catch (const Error& e) {
    log_line(0, "alert: cannot start: " + e.text());
    return 111;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-send", argc, argv, body);
}

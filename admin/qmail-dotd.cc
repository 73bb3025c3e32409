// qmail-dotd: changes the rules of accounts (control/dotdir) for panels and customers, who come by a Unix
// socket. man qmail-dotd.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin/rule_account.h"
#include "admin/rule_service.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"

using namespace hato;

namespace {

constexpr int backlog = 128;
constexpr int look_up_ms =
    1000;  // how often it looks whether it is to end, should a signal come at a bad moment

volatile sig_atomic_t stop = 0;
void on_signal(int) {
  stop = 1;
}

Fd fresh_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw_errno("socket");
  return socket;
}

// Anybody may connect: who he is the kernel says.
Fd listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw TempError(path + ": too long for a socket");
  path.copy(address.sun_path, path.size());
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  if (connect(fresh_socket().get(), name, sizeof address) == 0 || errno == EAGAIN)
    throw TempError(path + ": somebody listens there already");
  unlink(path.c_str());  // of one that was killed
  Fd socket = fresh_socket();
  const mode_t before = umask(0111);
  const int bound = bind(socket.get(), name, sizeof address);
  umask(before);
  if (bound != 0) throw_errno("bind " + path);
  if (listen(socket.get(), backlog) != 0) throw_errno("listen " + path);
  return socket;
}

// The tables that say who an address' account is; alias' dot-files, for loops; and what is written.
std::vector<SealPath> paths(const std::string& dotdir) {
  const std::string home = conf::home;
  return {{home + "/control", false},
          {home + "/users", false},
          {home + "/alias", false},
          {"/etc", false},
          {dotdir, true}};
}

// Our descriptor 0 is a pipe whose other end somebody holds for as long as we are wanted: qmail-start(8).
bool lifeline_is_cut() {
  struct stat status {};
  if (fstat(0, &status) != 0 || !S_ISFIFO(status.st_mode)) return false;
  return wait_readable(0, Deadline::in_seconds(0));
}

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-dotd (no arguments; see qmail-dotd(8))");
  ensure_standard_fds();
  ignore_sigpipe();
  umask(077);
  drop_root_to(conf::user_qmailc);
  const std::optional<std::string> dotdir = dot_directory(Control());
  if (!dotdir) throw TempError("control/dotdir is not there: there are no rules to be written");
  tzset();
  const Fd listening = listen_at(rule_socket_path());
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : {SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
  RuleService service(listening.get(), RuleRequests(nullptr));
  seal(seal_profile::keeper, paths(*dotdir));
  while (!stop && !lifeline_is_cut()) service.serve(look_up_ms);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-dotd", argc, argv, body);
}

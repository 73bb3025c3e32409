// qmail-dotd: changes the rules of accounts (control/dotdir) for panels and customers, who come by a Unix
// socket. man qmail-dotd.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/rule_account.h"
#include "admin/rule_service.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/local_socket.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"

using namespace hato;

namespace {

constexpr int look_up_ms =
    1000;  // how often it looks whether it is to end, should a signal come at a bad moment

volatile sig_atomic_t stop = 0;
void on_signal(int) {
  stop = 1;
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
  // Anybody may connect: who he is the kernel says.
  const Fd listening = listen_local(rule_socket_path(), SOCK_STREAM, 0666);
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : {SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
  RuleService service(listening.get());
  seal(seal_profile::keeper, paths(*dotdir));
  while (!stop && !lifeline_is_cut()) service.serve(look_up_ms);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-dotd", argc, argv, body);
}

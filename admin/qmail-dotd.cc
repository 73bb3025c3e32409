// qmail-dotd: changes the rules of accounts (control/dotdir) for panels and customers, who come by a Unix
// socket. man qmail-dotd.
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/rule_account.h"
#include "admin/rule_service.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/local_socket.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/base/service_life.h"

using namespace hato;

namespace {

// The tables that say who an address' account is; alias' dot-files, for loops; and what is written.
std::vector<SealPath> paths(const std::string& dotdir) {
  const std::string home = conf::home;
  return {{home + "/control", false},
          {home + "/users", false},
          {home + "/alias", false},
          {"/etc", false},
          {dotdir, true}};
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
  ServiceLife life;
  RuleService service(listening.get());
  seal(seal_profile::keeper, paths(*dotdir));
  service.run(life);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-dotd", argc, argv, body);
}

// qmail-rcptd: tells qmail-smtpd whether a recipient exists and has room. man/qmail-rcptd.8
#include <errno.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/capability.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/local_socket.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/base/service_life.h"
#include "lib/net/gate.h"
#include "lib/store/control.h"
#include "policy/dispatcher.h"

using namespace hato;

namespace {

constexpr int backlog = 1024;
constexpr mode_t socket_mode = 0666;  // who may come near is what its directory says

// What may be read: the tables, and the places where homes and dot-files are.
std::vector<SealPath> places_to_read() {
  const Control control;
  const std::string home = conf::home;
  std::vector<std::string> wanted{home + "/control", home + "/users", home + "/alias"};
  for (const std::string& parent : control.lines("homes").value_or(std::vector<std::string>{"/home"}))
    wanted.push_back(parent);
  if (const std::optional<std::string> dotdir = control.line("dotdir"); dotdir && !dotdir->empty())
    wanted.push_back(*dotdir);
  std::vector<SealPath> paths;
  for (const std::string& path : wanted) {
    struct stat status;
    if (!path.starts_with('/') || stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
      log_line(2, "qmail-rcptd: " + path +
                      ": no directory that can be read, so nothing is known of what is there");
    else
      paths.push_back({path, false});
  }
  return paths;
}

int rcptd_body(int, char**) {
  ensure_standard_fds();
  ignore_sigpipe();
  if (!keep_only_capability(conf::user_qmailp, CAP_DAC_READ_SEARCH))
    log_line(2, "qmail-rcptd: no CAP_DAC_READ_SEARCH: homes that others may not read are in doubt");
  RecipientCheck check(conf::home);
  Dispatcher dispatcher(listen_local(gate_directory() + "/policy/rcptd", SOCK_STREAM, socket_mode, backlog),
                        check);
  ServiceLife life;
  seal(seal_profile::reader, places_to_read());
  dispatcher.run(life);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-rcptd", argc, argv, rcptd_body);
}

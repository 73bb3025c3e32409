// qmail-authd: answers on HOME/auth/s whether a login and a password belong together. Runs as qmaila, in two
// halves: one that talks to clients, sealed, and one that reads secrets. man qmail-authd.
#include <sys/socket.h>
#include <unistd.h>

#include <grp.h>

#include "checkpassword/auth_checker.h"
#include "checkpassword/auth_door.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/local_socket.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/base/service_life.h"
#include "lib/store/control.h"

using namespace hato;

namespace {

// control/authshadow: the group that may read /etc/shadow stays with qmaila.
void become_qmaila(bool shadow) {
  if (!shadow || geteuid() != 0) {
    drop_root_to(conf::user_qmaila);
    return;
  }
  const std::optional<User> user = passwd_user(std::string(conf::user_qmaila));
  const std::optional<gid_t> group = group_id("shadow");
  if (!user) throw TempError(std::string("user ") + conf::user_qmaila + " does not exist");
  if (!group) throw TempError("control/authshadow is set, and there is no group shadow");
  if (setgroups(1, &*group) != 0) throw_errno("setgroups");
  if (setresgid(user->gid, user->gid, user->gid) != 0) throw_errno("setresgid");
  if (setresuid(user->uid, user->uid, user->uid) != 0) throw_errno("setresuid");
  if (setuid(0) == 0) throw TempError("could become root again");
}

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-authd");
  ensure_standard_fds();
  close_from(3);
  if (chdir("/") != 0) throw_errno("chdir /");
  const Control control;
  AuthSources sources;
  sources.program = control.line_or("authprogram", "");
  sources.system_users = control.number("authshadow", 0) != 0;
  become_qmaila(sources.system_users);
  const Fd listening = listen_local(std::string(conf::home) + auth_socket, SOCK_STREAM, 0660);
  FdPair link = make_socketpair(SOCK_SEQPACKET);
  fork_child("qmail-authd", [&]() -> int {
    const int socket = link.second.get();
    close(listening.get());
    link.first.reset();
    serve_auth_checks(socket, sources);
    return 0;
  });
  link.second.reset();
  ServiceLife life;
  seal(seal_profile::authd);
  AuthDoor(listening.get(), link.first.get()).run(life);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-authd", argc, argv, body);
}

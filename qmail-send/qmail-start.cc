// qmail-start [defaultdelivery [logger arg ...]]: starts the gate when nobody keeps it, the services that
// control/services and control/mtasts ask for, the logger, qmail-lspawn, qmail-rspawn and qmail-clean, each
// as its user, and becomes qmail-send.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/store/control.h"
#include "qmail-send/gate_keeper.h"
#include "qmail-send/service_keeper.h"

using namespace hato;

namespace {

constexpr char default_delivery[] = "./Mailbox";  // qmail-start(8)
constexpr int lowest_of_ours = 10;                // descriptors below it are where children expect theirs

std::string program(const char* name) {
  return std::string(conf::home) + "/bin/" + name;
}

User user_of(const char* name) {
  const std::optional<User> user = passwd_user(std::string(name));
  if (!user) throw TempError(std::string("user ") + name + " does not exist; make install creates it");
  return *user;
}

// Every daemon runs as a user of its own and must be able to come to HOME.
void check_home() {
  const std::string bin = std::string(conf::home) + "/bin";
  for (std::size_t slash = 0; slash != std::string::npos;) {
    slash = bin.find('/', slash + 1);
    const std::string directory = bin.substr(0, slash);
    struct stat st;
    if (stat(directory.c_str(), &st) != 0) throw_errno("stat " + directory);
    if (!(st.st_mode & S_IXOTH))
      throw TempError(std::string(directory)
                          .append(" cannot be searched by the daemons' users: chmod a+x ")
                          .append(directory)
                          .append(", or install elsewhere"));
  }
}

// A descriptor out of the way of 0 to 6, close-on-exec.
Fd aside(int fd) {
  Fd copy(fcntl(fd, F_DUPFD_CLOEXEC, lowest_of_ours));
  if (!copy) throw_errno("fcntl F_DUPFD_CLOEXEC");
  return copy;
}

struct Link {
  Fd ours;    // qmail-send's
  Fd theirs;  // the child's
};
Link make_link() {
  FdPair pair = make_socketpair(SOCK_SEQPACKET);
  return {aside(pair.first.get()), aside(pair.second.get())};
}

// `fd` becomes `number` in this process and stays where it is, too.
void put(int fd, int number) {
  if (dup2(fd, number) < 0) throw_errno("dup2");
}

// Descriptor 0 was made for a log: it can only be written, or is a file that can be.
bool log_on_zero() {
  const int flags = fcntl(0, F_GETFL);
  struct stat st;
  if (flags < 0 || fstat(0, &st) != 0) return false;
  const int mode = flags & O_ACCMODE;
  return (mode == O_WRONLY && !S_ISCHR(st.st_mode)) || (mode == O_RDWR && S_ISREG(st.st_mode));
}

// The log goes to descriptor 0 when that is meant for it, else to 1, as with qmail, or through the logger.
Fd start_logger(const std::vector<std::string>& logger) {
  if (logger.empty()) return aside(log_on_zero() ? 0 : 1);
  FdPair pipe = make_pipe();
  const Fd in = aside(pipe.first.get());
  Fd out = aside(pipe.second.get());
  const User user = user_of(conf::user_qmaill);
  fork_child("qmail-start", [&]() -> int {
    put(in.get(), 0);
    close_from(3);
    become(user.uid, user.gid);
    exec_program(logger);
  });
  return out;
}

// A child with its socket on fd 0 and the log on 1 and 2. Without a user it stays root.
void start_partner(const Link& link, const Fd& log, const std::optional<User>& user,
                   const std::vector<std::string>& args) {
  fork_child("qmail-start", [&]() -> int {
    put(link.theirs.get(), 0);
    put(log.get(), 1);
    put(log.get(), 2);
    close_from(3);
    if (user) become(user->uid, user->gid);
    exec_program(args);
  });
}

// A pipe; qmail-send holds the second end, and who has the first one ends when that is closed.
Link make_lifeline() {
  FdPair pipe = make_pipe();
  return {aside(pipe.second.get()), aside(pipe.first.get())};
}

// A process of our own that stays root, with the lifeline on fd 3 and the log on 1 and 2.
void start_keeper(const Fd& lifeline, const Fd& log, const std::function<void(int lifeline)>& keep) {
  fork_child("qmail-start", [&]() -> int {
    const Fd nothing = open_file("/dev/null", O_RDWR);
    put(nothing.get(), 0);
    put(log.get(), 1);
    put(log.get(), 2);
    put(lifeline.get(), 3);
    close_from(4);
    set_cloexec(3, true);
    keep(3);
    return 0;
  });
}

void start_services(const Fd& lifeline, const Fd& log) {
  const Services services = wanted_services(Control());
  for (const std::string& name : services.unknown)
    log_line(log.get(), "qmail-start: control/services: " + name + " is no service");
  if (services.known.empty()) return;
  start_keeper(lifeline, log, [&](int line) { keep_services(line, services.known); });
}

[[noreturn]] void become_send(const Fd& log, const Link& local, const Link& remote, const Link& clean,
                              const Fd& lifeline) {
  const User user = user_of(conf::user_qmails);
  put(log.get(), 0);
  put(log.get(), 1);
  put(log.get(), 2);
  put(local.ours.get(), 3);
  put(remote.ours.get(), 4);
  put(clean.ours.get(), 5);
  put(lifeline.get(), 6);
  close_from(7);
  become(user.uid, user.gid);
  exec_program({program("qmail-send")});
}

int body(int argc, char** argv) {
  if (geteuid() != 0) throw TempError("must be started by root");
  ensure_standard_fds();
  close_from(3);
  check_home();
  if (chdir("/") != 0) throw_errno("chdir /");
  umask(077);
  const User clean_user = user_of(conf::user_qmailq), remote_user = user_of(conf::user_qmailr);
  user_of(conf::user_qmails);

  const std::vector<std::string> args(argv + std::min(argc, 2), argv + argc);
  const Fd log = start_logger(args);
  const Link lifeline = make_lifeline();
  start_keeper(lifeline.theirs, log, keep_gate);
  start_services(lifeline.theirs, log);
  const Link local = make_link(), remote = make_link(), clean = make_link();
  start_partner(local, log, std::nullopt, {program("qmail-lspawn"), argc > 1 ? argv[1] : default_delivery});
  start_partner(remote, log, remote_user, {program("qmail-rspawn")});
  start_partner(clean, log, clean_user, {program("qmail-clean")});
  become_send(log, local, remote, clean, lifeline.ours);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-start", argc, argv, body);
}

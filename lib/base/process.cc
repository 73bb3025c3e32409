#include "lib/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

namespace hato {

namespace {

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

File open_database(const char* path) {
  File file(fopen(path, "re"));
  if (!file) throw_errno(std::string("open ") + path);
  return file;
}

template <typename Match>
std::optional<User> find_user(Match match) {
  File file = open_database("/etc/passwd");
  char space[4096];
  passwd entry;
  passwd* found = nullptr;
  for (;;) {
    const int error = fgetpwent_r(file.get(), &entry, space, sizeof space, &found);
    if (error == ENOENT) return std::nullopt;
    if (error == ERANGE) continue;  // an entry too long for a daemon's: not the one
    if (error != 0) throw SystemError("read /etc/passwd", error);
    if (match(entry)) return User{entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell};
  }
}

}  // namespace

std::optional<User> passwd_user(const std::string& name) {
  return find_user([&](const passwd& p) { return name == p.pw_name; });
}

std::optional<User> passwd_user(uid_t uid) {
  return find_user([&](const passwd& p) { return uid == p.pw_uid; });
}

std::optional<gid_t> group_id(const std::string& name) {
  File file = open_database("/etc/group");
  char space[16384];
  group entry;
  group* found = nullptr;
  for (;;) {
    const int error = fgetgrent_r(file.get(), &entry, space, sizeof space, &found);
    if (error == ENOENT) return std::nullopt;
    if (error == ERANGE) continue;
    if (error != 0) throw SystemError("read /etc/group", error);
    if (name == entry.gr_name) return entry.gr_gid;
  }
}

bool drop_root_to(const std::string& name) {
  if (geteuid() != 0) return false;
  const std::optional<User> user = passwd_user(name);
  if (!user) throw TempError("user " + name + " does not exist; make install creates it");
  become(user->uid, user->gid);
  return true;
}

void become(uid_t uid, gid_t gid) {
  if (uid == 0) throw TempError("refusing to run as root");
  if (setgroups(1, &gid) != 0) throw_errno("setgroups");
  if (setresgid(gid, gid, gid) != 0) throw_errno("setresgid");
  if (setresuid(uid, uid, uid) != 0) throw_errno("setresuid");
  if (setuid(0) == 0 || geteuid() != uid) throw TempError("could not give up root");
}

pid_t fork_child(const char* program, const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid < 0) throw_errno("fork");
  if (pid > 0) return pid;
  int code = 111;
  try {
    code = body();
  } catch (const Error& e) {
    log_line(2, std::string(program) + ": " + e.text());
    code = e.exit_code();
  } catch (const std::exception& e) {
    log_line(2, std::string(program) + ": unexpected: " + e.what());
  }
  _exit(code);
}

int wait_for_child(pid_t pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw_errno("waitpid");
  return status;
}

void exec_program(const std::vector<std::string>& args) {
  std::vector<char*> argv;
  argv.reserve(args.size() + 1);
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  throw_errno("exec " + args[0]);
}

void close_from(int first) {
  syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U);
}

void ensure_standard_fds() {
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) throw_errno("open /dev/null");
    if (fd > 2) {
      ::close(fd);
      return;
    }
  }
}

void ignore_sigpipe() {
  signal(SIGPIPE, SIG_IGN);
}

void default_signals() {
  for (int n = 1; n < NSIG; ++n) signal(n, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool die_with_parent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw_errno("prctl PR_SET_PDEATHSIG");
  return getppid() == parent;
}

}  // namespace hato

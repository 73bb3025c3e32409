#include "lib/base/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"

namespace hato {

namespace {

// The environment of the child: the additions, then what the caller has under other names.
std::vector<char*> environment(const std::vector<std::string>& additions) {
  std::vector<char*> env;
  for (const std::string& addition : additions) env.push_back(const_cast<char*>(addition.c_str()));
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view old = *variable;
    bool replaced = false;
    for (const std::string& addition : additions)
      replaced |= old.starts_with(std::string_view(addition).substr(0, addition.find('=') + 1));
    if (!replaced) env.push_back(*variable);
  }
  env.push_back(nullptr);
  return env;
}

// dup2, or, for a descriptor in its place already, only open across exec.
bool put(int fd, int number) {
  return fd == number ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, number) == number;
}

// In the child of vfork, on the parent's memory: system calls only, nothing allocated. glibc's set*id
// functions are left out because they may want to tell other threads. Returns the step that failed.
const char* become_program(const Program& program, char* const* args, char* const* env) {
  if (!put(program.in, 0) || !put(program.out, 1) || !put(program.err, 2)) return "dup2";
  for (const Limit& limit : program.limits) {
    const rlimit both{limit.value, limit.value};
    if (syscall(SYS_prlimit64, 0, limit.resource, &both, nullptr) != 0) return "setrlimit";
  }
  if (program.open_files) {
    rlimit files{};
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &files) != 0) return "getrlimit";
    files.rlim_cur = *program.open_files;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &files, nullptr) != 0) return "setrlimit";
  }
  if (program.identity) {
    const gid_t gid = program.identity->gid;
    const uid_t uid = program.identity->uid;
    if (syscall(SYS_setgroups, 1, &gid) != 0) return "setgroups";
    if (syscall(SYS_setresgid, gid, gid, gid) != 0) return "setgid";
    if (syscall(SYS_setresuid, uid, uid, uid) != 0) return "setuid";
  }
  // Handlers become SIG_DFL by exec; what is ignored stays ignored, and we ignore nothing but SIGPIPE.
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &plain, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (program.alarm_seconds != 0) alarm(program.alarm_seconds);
  execve(program.path.c_str(), args, env);
  return "exec";
}

}  // namespace

Started start_program(const Program& program) {
  if (program.identity && program.identity->uid == 0) throw TempError("refusing to run as root");
  std::vector<char*> args;
  for (const std::string& arg : program.args) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  const std::vector<char*> env = environment(program.env);

  // Written by the child, read by us when it is gone or became the program: vfork shares the memory.
  const char* volatile step = "";
  volatile int error = 0;
  const pid_t pid = vfork();
  if (pid == 0) {
    step = become_program(program, args.data(), env.data());
    error = errno;
    _exit(111);
  }
  if (pid < 0) return {-1, errno, "fork"};
  if (error == 0) return {pid, 0, ""};
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return {-1, error, step};
}

}  // namespace hato

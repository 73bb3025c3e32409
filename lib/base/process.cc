#include "lib/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

namespace hato {

namespace {

constexpr std::size_t entry_limit = 65536;  // a longer line is no daemon's and is passed over

// Gives each line's fields to `match` until it returns true. Read block by block and no further than needed:
// glibc's fgetpwent_r costs an lseek or two for each line, and every SMTP session comes this way.
template <typename Match>
void find_entry(const char* path, Match match) {
  Fd fd = open_file(path, O_RDONLY);
  char space[8192];
  std::string rest;
  std::vector<std::string_view> fields;
  for (bool too_long = false;;) {
    const ssize_t n = ::read(fd.get(), space, sizeof space);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(std::string("read ") + path);
    rest.append(space, static_cast<std::size_t>(n));
    if (n == 0 && !rest.empty()) rest += '\n';
    std::size_t start = 0;
    for (std::size_t end; (end = rest.find('\n', start)) != std::string::npos; start = end + 1) {
      fields.clear();
      std::string_view line = std::string_view(rest).substr(start, end - start);
      for (;;) {
        const std::size_t colon = line.find(':');
        fields.push_back(line.substr(0, colon));
        if (colon == std::string_view::npos) break;
        line.remove_prefix(colon + 1);
      }
      if (!std::exchange(too_long, false) && match(fields)) return;
    }
    rest.erase(0, start);
    if (rest.size() > entry_limit) rest.clear(), too_long = true;
    if (n == 0) return;
  }
}

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<User> user_of(const std::vector<std::string_view>& fields) {
  if (fields.size() < 7) return std::nullopt;
  const std::optional<unsigned> uid = parse_number(fields[2]), gid = parse_number(fields[3]);
  if (!uid || !gid) return std::nullopt;
  return User{std::string(fields[0]), *uid, *gid, std::string(fields[5]), std::string(fields[6])};
}

template <typename Match>
std::optional<User> find_user(Match match) {
  std::optional<User> found;
  find_entry("/etc/passwd", [&](const std::vector<std::string_view>& fields) {
    const std::optional<User> user = user_of(fields);
    if (!user || !match(user->name, user->uid)) return false;
    found = *user;
    return true;
  });
  return found;
}

}  // namespace

std::optional<User> passwd_user(const std::string& name) {
  return find_user([&](std::string_view its_name, uid_t) { return name == its_name; });
}

std::optional<User> passwd_user(uid_t uid) {
  return find_user([&](std::string_view, uid_t its_uid) { return uid == its_uid; });
}

std::vector<User> passwd_users() {
  std::vector<User> users;
  find_entry("/etc/passwd", [&](const std::vector<std::string_view>& fields) {
    if (std::optional<User> user = user_of(fields)) users.push_back(std::move(*user));
    return false;
  });
  return users;
}

std::optional<gid_t> group_id(const std::string& name) {
  std::optional<gid_t> gid;
  find_entry("/etc/group", [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 4 || fields[0] != name) return false;
    gid = parse_number(fields[2]);
    return gid.has_value();
  });
  return gid;
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
  // The kernel is asked directly: glibc refuses to touch the two signals that it keeps for itself, which a
  // parent may have ignored all the same.
  struct {
    void* handler = nullptr;  // SIG_DFL
    unsigned long flags = 0;
    void* restorer = nullptr;
    unsigned long mask = 0;
  } const action;
  for (int n = 1; n < NSIG; ++n) syscall(SYS_rt_sigaction, n, &action, nullptr, sizeof action.mask);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool die_with_parent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw_errno("prctl PR_SET_PDEATHSIG");
  return getppid() == parent;
}

}  // namespace hato

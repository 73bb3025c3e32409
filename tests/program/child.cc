#include "tests/program/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato::test {

namespace {

constexpr int parking = 100;  // descriptors are moved up here first, so that none lands on another's place

[[noreturn]] void become_program(const std::vector<std::string>& args, const std::map<int, int>& descriptors,
                                 const StartOptions& options) {
  signal(SIGPIPE, SIG_DFL);
  std::map<int, int> parked;
  for (const auto& [number, ours] : descriptors) parked[number] = fcntl(ours, F_DUPFD, parking);
  for (int number = 0; number < parking; ++number) close(number);
  for (int number = 0; number < 3; ++number) open("/dev/null", O_RDWR);
  for (const auto& [number, at] : parked) dup2(at, number);
  for (const auto& [number, at] : parked) close(at);
  for (int number = 3; number < parking; ++number)
    if (descriptors.count(number) == 0) close(number);
  if (chdir(options.directory.c_str()) != 0) _exit(120);
  if (options.uid != 0 &&
      (setgroups(0, nullptr) != 0 || setresgid(options.gid, options.gid, options.gid) != 0 ||
       setresuid(options.uid, options.uid, options.uid) != 0))
    _exit(121);
  std::vector<char*> argv, environment;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  for (const std::string& variable : options.environment)
    environment.push_back(const_cast<char*>(variable.c_str()));
  argv.push_back(nullptr);
  environment.push_back(nullptr);
  execve(argv[0], argv.data(), environment.data());
  _exit(122);
}

}  // namespace

Child::Child(const std::vector<std::string>& args, const std::map<int, int>& descriptors,
             const StartOptions& options) {
  pid_ = fork();
  if (pid_ < 0) throw_errno("fork");
  if (pid_ == 0) become_program(args, descriptors, options);
}

Child::~Child() {
  if (reaped_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

int Child::wait(int seconds) {
  for (const Deadline deadline = Deadline::in_seconds(seconds); !reaped_; usleep(1000)) {
    if (waitpid(pid_, &status_, WNOHANG) == pid_) {
      reaped_ = true;
    } else if (deadline.passed()) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      reaped_ = true;
      status_ = -1;
    }
  }
  return status_;
}

int Child::exit_code(int seconds) {
  const int status = wait(seconds);
  return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string read_up_to(int fd, const std::string& end, int seconds) {
  std::string all;
  const Deadline deadline = Deadline::in_seconds(seconds);
  char space[65536];
  while (end.empty() || all.find(end) == std::string::npos) {
    if (!wait_readable(fd, deadline)) return all + "[no more in time]";
    const ssize_t n = read(fd, space, sizeof space);
    if (n <= 0) break;
    all.append(space, static_cast<std::size_t>(n));
  }
  return all;
}

std::string read_to_end(int fd, int seconds) {
  return read_up_to(fd, "", seconds);
}

void send(int fd, const std::string& data) {
  write_all(fd, data, "program under test");
}

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/hato-test-XXXXXX";
  if (mkdtemp(name) == nullptr) throw_errno("mkdtemp");
  path_ = name;
  if (chmod(name, 0755) != 0) throw_errno("chmod");
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, const std::string& text, uid_t uid, gid_t gid, mode_t mode) {
  const Fd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_all(file.get(), text, path);
  if (fchown(file.get(), uid, gid) != 0) throw_errno("fchown " + path);
}

}  // namespace hato::test

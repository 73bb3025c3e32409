#include "tests/program/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"

namespace hato::test {

std::string installed(const std::string& name) {
  return std::string(conf::home) + "/bin/" + name;
}

namespace {

[[noreturn]] void become_program(const Start& start) {
  // Out of the way first, so that no dup2 lands on a descriptor that is still to be placed.
  std::vector<std::pair<int, int>> placed;
  for (const auto& [number, fd] : start.fds) placed.emplace_back(number, fcntl(fd, F_DUPFD, 200));
  for (const auto& [number, fd] : placed) dup2(fd, number);
  int first_closed = 3;
  for (const auto& [number, fd] : placed) first_closed = std::max(first_closed, number + 1);
  for (int fd = 3; fd < first_closed; ++fd)
    if (std::none_of(placed.begin(), placed.end(), [fd](const auto& p) { return p.first == fd; })) close(fd);
  close_from(first_closed);
  default_signals();
  if (!start.directory.empty() && chdir(start.directory.c_str()) != 0) _exit(126);
  if (start.uid != 0 && (setgroups(0, nullptr) != 0 || setresgid(start.gid, start.gid, start.gid) != 0 ||
                         setresuid(start.uid, start.uid, start.uid) != 0))
    _exit(126);
  const std::string path = env_or("PATH", "/usr/bin:/bin");
  clearenv();
  setenv("PATH", path.c_str(), 1);
  for (const auto& [name, value] : start.env) setenv(name.c_str(), value.c_str(), 1);
  try {
    exec_program(start.args);
  } catch (const Error&) {
    _exit(127);
  }
}

int exit_value(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace

Process::Process(const Start& start) : pid_(fork()) {
  if (pid_ < 0) throw_errno("fork");
  if (pid_ == 0) become_program(start);
}

Process::~Process() {
  if (ended_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
  if (!ended_) kill(pid_, number);
}

bool Process::running() {
  if (!ended_) {
    int status;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      ended_ = true;
      status_ = exit_value(status);
    }
  }
  return !ended_;
}

int Process::wait(int seconds) {
  eventually([&] { return !running(); }, seconds);
  return ended_ ? status_ : -1;
}

Outcome run(Start start, const std::string& input, int seconds) {
  FdPair in = make_pipe(), out = make_pipe(), err = make_pipe();
  start.fds.emplace_back(0, in.first.get());
  start.fds.emplace_back(1, out.second.get());
  start.fds.emplace_back(2, err.second.get());
  ::signal(SIGPIPE, SIG_IGN);
  Process process(start);
  in.first.reset();
  out.second.reset();
  err.second.reset();
  set_nonblocking(in.second.get(), true);
  Outcome outcome;
  std::string_view rest = input;
  const Deadline deadline = Deadline::in_seconds(seconds);
  while ((out.first || err.first) && !deadline.passed()) {
    if (rest.empty()) in.second.reset();
    pollfd polled[3] = {
        {in.second.get(), POLLOUT, 0}, {out.first.get(), POLLIN, 0}, {err.first.get(), POLLIN, 0}};
    if (poll(polled, 3, deadline.poll_ms()) <= 0) continue;
    if (polled[0].revents != 0) {
      const ssize_t n = write(in.second.get(), rest.data(), rest.size());
      if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN) rest = {};  // it does not want to read on
    }
    const auto collect = [](const pollfd& p, Fd& fd, std::string& text) {
      if (p.revents == 0) return;
      char space[16384];
      const ssize_t n = read(fd.get(), space, sizeof space);
      if (n > 0)
        text.append(space, static_cast<std::size_t>(n));
      else
        fd.reset();
    };
    collect(polled[1], out.first, outcome.out);
    collect(polled[2], err.first, outcome.err);
  }
  outcome.code = process.wait(std::max(1, deadline.poll_ms() / 1000));
  return outcome;
}

std::string slurp(const std::string& path) {
  const Fd fd = try_open(path, O_RDONLY);
  return fd ? read_all(fd.get(), 1U << 30, path).value_or("") : "";
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::size_t count_in(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) ++n;
  return n;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_until(int fd, const std::string& text, int seconds) {
  std::string all;
  const Deadline deadline = Deadline::in_seconds(seconds);
  while (all.find(text) == std::string::npos) {
    pollfd p{fd, POLLIN, 0};
    if (poll(&p, 1, deadline.poll_ms()) <= 0) break;
    char space[8192];
    const ssize_t n = read(fd, space, sizeof space);
    if (n <= 0) break;
    all.append(space, static_cast<std::size_t>(n));
  }
  return all;
}

std::string read_to_end(int fd, int seconds) {
  std::string all;
  const Deadline deadline = Deadline::in_seconds(seconds);
  char space[65536];
  while (wait_readable(fd, deadline)) {
    const ssize_t n = read(fd, space, sizeof space);
    if (n <= 0) return all;
    all.append(space, static_cast<std::size_t>(n));
  }
  return all + "[no more in time]";
}

}  // namespace hato::test

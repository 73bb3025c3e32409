#include "local/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/store/control.h"
#include "lib/store/unnamed_file.h"

namespace hato {

namespace {

constexpr std::int64_t longest_wait = 1'000'000'000;  // seconds: 30 years are as good as for ever
constexpr char shell[] = "/bin/sh";
constexpr rlim_t cpu_grace = 5;       // seconds between SIGXCPU and SIGKILL
constexpr int without_pidfd_ms = 50;  // how often an old kernel is asked whether the program has ended

void copy_to(int fd, MessageFile& message) {
  for (off_t at = 0; at < message.size();) {
    const std::string_view piece = message.piece(at);
    write_all(fd, piece, "a copy of the message");
    at += static_cast<off_t>(piece.size());
  }
}

Fd memory_copy(MessageFile& message) {
  Fd fd(memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw_errno("memfd_create");
  copy_to(fd.get(), message);
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
    throw_errno("seal a copy of the message");
  return fd;
}

Fd file_copy(MessageFile& message) {
  UnnamedFile file = make_unnamed_file();
  copy_to(file.writing.get(), message);
  return std::move(file.reading);
}

void limit(__rlimit_resource resource, rlim_t soft, rlim_t hard) {
  rlimit now{};
  getrlimit(resource, &now);
  now.rlim_max = std::min(now.rlim_max, hard);
  now.rlim_cur = std::min(now.rlim_max, soft);
  setrlimit(resource, &now);
}

// What a program finds: the message, a place for its output, default signals, no other descriptor.
[[noreturn]] void become_program(const std::vector<std::string>& words, int message, int out, int err,
                                 const ProgramLimits& limits, pid_t parent) {
  setpgid(0, 0);
  if (!die_with_parent(parent)) _exit(111);
  if (limits.seconds > 0)
    limit(RLIMIT_CPU, static_cast<rlim_t>(limits.seconds), static_cast<rlim_t>(limits.seconds) + cpu_grace);
  if (limits.memory > 0) limit(RLIMIT_AS, static_cast<rlim_t>(limits.memory), RLIM_INFINITY);
  if (dup2(message, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) throw_errno("dup2");
  close_from(3);
  default_signals();
  const std::string program =
      words[0].starts_with('/') ? words[0] : std::string(conf::home) + "/bin/" + words[0];
  std::vector<char*> args;
  for (const std::string& word : words) args.push_back(const_cast<char*>(word.c_str()));
  args.push_back(nullptr);
  execve(program.c_str(), args.data(), environ);
  throw TempError("Unable to run " + program + ": " + errno_text(errno) + ". (#4.3.0)");
}

// One of the program's outputs, on its way to one of ours.
struct Channel {
  Fd from;
  Output::To to;

  // Reads what is there; the first `left` bytes go on. Closes at the end of file.
  void pump(Output& output, std::size_t& left) {
    char space[8192];
    for (;;) {
      const ssize_t n = read(from.get(), space, sizeof space);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return from.reset();
      const std::size_t keep = std::min(left, static_cast<std::size_t>(n));
      left -= keep;
      if (keep > 0 && !output.say(to, {space, keep})) left = 0;  // nobody listens; the exit code still counts
    }
  }
};

// True when the program has ended, false at the deadline.
bool attend(pid_t pid, Channel* channels, std::size_t channel_count, Output& output, std::size_t& output_left,
            Deadline deadline, int& status) {
  const Fd ended(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  for (;;) {
    pollfd polled[3] = {{ended.get(), POLLIN, 0}, {-1, 0, 0}, {-1, 0, 0}};
    for (std::size_t i = 0; i < channel_count; ++i) polled[i + 1] = {channels[i].from.get(), POLLIN, 0};
    int wait = deadline.poll_ms();
    if (!ended) wait = wait < 0 ? without_pidfd_ms : std::min(wait, without_pidfd_ms);
    if (poll(polled, 1 + channel_count, wait) < 0 && errno != EINTR) throw_errno("poll");
    const pid_t gone = waitpid(pid, &status, WNOHANG);
    for (std::size_t i = 0; i < channel_count; ++i)
      if (channels[i].from) channels[i].pump(output, output_left);
    if (gone == pid) return true;
    if (deadline.passed()) return false;
  }
}

}  // namespace

Fd private_copy(MessageFile& message) {
  return message.size() <= memory_copy_limit ? memory_copy(message) : file_copy(message);
}

ProgramLimits program_limits() {
  const Control control;
  return {std::min<std::int64_t>(control.number("progtime", default_progtime), longest_wait),
          control.number("progmem", default_progmem)};
}

std::vector<std::string> shell_command(std::string_view command) {
  return {shell, "-c", std::string(command)};
}

ProgramVerdict program_verdict(int exit_code) {
  switch (exit_code) {
    case 0:
      return ProgramVerdict::delivered;
    case 99:
      return ProgramVerdict::delivered_stop;
    case 64:
    case 65:
    case 70:
    case 76:
    case 77:
    case 78:
    case 100:
    case 112:
      return ProgramVerdict::hard;
    default:
      return ProgramVerdict::soft;
  }
}

ProgramRunner::ProgramRunner(MessageFile& message, ProgramLimits limits, Output& output)
    : copy_(private_copy(message)), output_(output), limits_(limits) {}

ProgramVerdict ProgramRunner::run(const std::vector<std::string>& words) {
  if (lseek(copy_.get(), 0, SEEK_SET) < 0) throw_errno("rewind a copy of the message");
  const bool one_output = output_.one_place();  // then what is said on both stays in order
  FdPair out = make_pipe();
  FdPair err = one_output ? FdPair{} : make_pipe();
  const pid_t parent = getpid();
  const pid_t pid = fork_child("qmail-local", [&]() -> int {
    become_program(words, copy_.get(), out.second.get(), one_output ? out.second.get() : err.second.get(),
                   limits_, parent);
  });
  setpgid(pid, pid);  // whoever is first: the group must be there before it is killed
  out.second.reset();
  err.second.reset();
  Channel channels[2] = {{std::move(out.first), Output::To::out}, {std::move(err.first), Output::To::error}};
  for (const Channel& channel : channels)
    if (channel.from) set_nonblocking(channel.from.get(), true);
  const Deadline deadline = limits_.seconds > 0 ? Deadline::in_seconds(limits_.seconds) : Deadline::never();
  int status = 0;
  if (!attend(pid, channels, one_output ? 1 : 2, output_, output_left_, deadline, status)) {
    kill(-pid, SIGKILL);
    wait_for_child(pid);
    throw TempError("A program ran longer than " + std::to_string(limits_.seconds) +
                    " seconds and was ended. (#4.3.0)");
  }
  if (!WIFEXITED(status)) throw TempError("Aack, child crashed. (#4.3.0)");
  return program_verdict(WEXITSTATUS(status));
}

}  // namespace hato

#include "tests/program/private_home.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "tests/catch.h"

namespace hato::test {

namespace {

// Mounts made from here on are this process' own.
void leave_mount_namespace() {
  static const bool left =
      unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!left) FAIL("this test needs root and mount namespaces: unshare: " << errno_text(errno));
}

std::string make_directory(const char* pattern) {
  std::string name = pattern;
  REQUIRE(mkdtemp(name.data()) != nullptr);
  REQUIRE(chmod(name.c_str(), 0755) == 0);
  return name;
}

}  // namespace

PrivateHome::PrivateHome(std::initializer_list<const char*> programs) {
  leave_mount_namespace();
  real_ = make_directory("/tmp/hato-home-XXXXXX");
  for (const char* directory : {"bin", "control", "users", "alias", "queue"})
    REQUIRE(mkdir((real_ + "/" + directory).c_str(), 0755) == 0);
  for (const char* program : programs) {
    const std::string from = path(std::string("bin/") + program);
    CAPTURE(from);
    REQUIRE(access(from.c_str(), X_OK) == 0);
    std::filesystem::copy_file(from, real_ + "/bin/" + program);
    REQUIRE(chmod((real_ + "/bin/" + program).c_str(), 0755) == 0);
  }
  REQUIRE(mount(real_.c_str(), conf::home, nullptr, MS_BIND, nullptr) == 0);
}

PrivateHome::~PrivateHome() {
  umount2(conf::home, MNT_DETACH);
  if (!passwd_.empty()) umount2("/etc/passwd", MNT_DETACH), unlink(passwd_.c_str());
  std::error_code ignored;
  std::filesystem::remove_all(real_, ignored);
}

std::string PrivateHome::path(const std::string& below) const {
  return std::string(conf::home) + "/" + below;
}

void PrivateHome::write(const std::string& below, std::string_view text, mode_t mode) const {
  Fd fd = open_file(path(below), O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_all(fd.get(), text, below);
  REQUIRE(fchmod(fd.get(), mode) == 0);
}

void PrivateHome::script(const std::string& name, const std::string& commands) const {
  unlink(path("bin/" + name).c_str());
  write("bin/" + name, "#!/bin/sh\n" + commands, 0755);
}

void PrivateHome::add_accounts(const std::string& passwd_lines) {
  REQUIRE(passwd_.empty());
  const std::string text = *read_file("/etc/passwd", 10 << 20) + passwd_lines;
  passwd_ = "/tmp/hato-passwd-XXXXXX";
  Fd fd(mkstemp(passwd_.data()));
  REQUIRE(fd);
  write_all(fd.get(), text, passwd_);
  REQUIRE(fchmod(fd.get(), 0644) == 0);
  REQUIRE(mount(passwd_.c_str(), "/etc/passwd", nullptr, MS_BIND, nullptr) == 0);
}

Result run_prepared(const std::function<void()>& prepare, const std::vector<std::string>& args,
                    std::string_view input) {
  FdPair in = make_pipe(), out = make_pipe(), err = make_pipe();
  const pid_t pid = fork_child("test", [&] {
    move_to(std::move(in.first), 0);
    move_to(std::move(out.second), 1);
    move_to(std::move(err.second), 2);
    default_signals();
    prepare();
    exec_program(args);
    return 111;
  });
  in.first.reset(), out.second.reset(), err.second.reset();
  signal(SIGPIPE, SIG_IGN);
  set_nonblocking(in.second.get(), true);
  Result result{};
  const Deadline deadline = Deadline::in_seconds(60);
  while (out.first || err.first) {
    if (input.empty()) in.second.reset();
    pollfd polls[3] = {
        {in.second.get(), POLLOUT, 0}, {out.first.get(), POLLIN, 0}, {err.first.get(), POLLIN, 0}};
    if (poll(polls, 3, deadline.poll_ms()) == 0) {
      kill(pid, SIGKILL);
      break;
    }
    if (polls[0].revents != 0) {
      const ssize_t n = ::write(in.second.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN) in.second.reset();
    }
    const auto take = [](Fd& fd, short events, std::string& text) {
      char space[16384];
      if (events == 0) return;
      const ssize_t n = ::read(fd.get(), space, sizeof space);
      if (n <= 0) return fd.reset();
      text.append(space, static_cast<std::size_t>(n));
    };
    take(out.first, polls[1].revents, result.out);
    take(err.first, polls[2].revents, result.err);
  }
  const int status = wait_for_child(pid);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

Result run(const std::vector<std::string>& args, std::string_view input) {
  return run_prepared([] {}, args, input);
}

Result run_as(uid_t uid, gid_t gid, const std::vector<std::string>& args, std::string_view input) {
  return run_prepared([&] { become(uid, gid); }, args, input);
}

Scratch::Scratch() : path_(make_directory("/tmp/hato-test-XXXXXX")) {}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Scratch::directory(const std::string& name, uid_t uid, mode_t mode) const {
  const std::string directory = path_ + "/" + name;
  REQUIRE(mkdir(directory.c_str(), mode) == 0);
  REQUIRE(chown(directory.c_str(), uid, 100) == 0);
  REQUIRE(chmod(directory.c_str(), mode) == 0);
  return directory;
}

}  // namespace hato::test

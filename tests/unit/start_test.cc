// Starting programs by vfork (lib/base/start.h).
#include "lib/base/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "tests/catch.h"

using namespace hato;

namespace {

// What a shell command prints, and how it ended.
std::string shell(Program program, const std::string& command, int* status = nullptr) {
  FdPair pipe = make_pipe();
  program.path = "/bin/sh";
  program.args = {"sh", "-c", command};
  program.out = pipe.second.get();
  program.err = pipe.second.get();
  StartNotes notes;
  StartNote note = notes.take();
  const pid_t pid = start_program(program, note);
  REQUIRE(pid > 0);
  pipe.second.reset();
  const std::string said = *read_all(pipe.first.get(), 100000, "pipe");
  const int ended = wait_for_child(pid);
  CHECK(note.error() == 0);
  if (status != nullptr) *status = ended;
  return said;
}

}  // namespace

namespace {

// Why a program could not be started.
std::string note_of(const Program& program) {
  StartNotes notes;
  StartNote note = notes.take();
  const pid_t pid = start_program(program, note);
  REQUIRE(pid > 0);
  CHECK(wait_for_child(pid) == 111 << 8);
  return std::string(note.step()) + ": " + errno_text(note.error());
}

}  // namespace

TEST_CASE("start: a program that is not there leaves a note", "[start]") {
  Program program;
  program.path = "/nonexistent/program";
  program.args = {"program"};
  CHECK(note_of(program) == "exec: No such file or directory");
  program.in = 12345;
  CHECK(note_of(program) == "dup2: Bad file descriptor");
  if (geteuid() != 0) return;
  program.in = 0;
  program.identity = Identity{61234, 61235};
  CHECK(note_of(program) == "exec: No such file or directory");
}

TEST_CASE("start: notes are kept apart and used again", "[start]") {
  StartNotes notes;
  std::vector<StartNote> many;
  for (int i = 0; i < 600; ++i) many.push_back(notes.take());
  Program program;
  program.path = "/nonexistent";
  program.args = {"x"};
  wait_for_child(start_program(program, many[300]));
  for (std::size_t i = 0; i < many.size(); ++i) CHECK((many[i].error() != 0) == (i == 300));
  many.clear();
  for (int i = 0; i < 600; ++i) many.push_back(notes.take());
  for (const StartNote& note : many) CHECK(note.error() == 0);
}

TEST_CASE("start: the program holds fds 0, 1 and 2 and nothing else", "[start]") {
  Fd extra = open_file("/dev/null", O_RDONLY);
  Fd input = open_file("/etc/hostname", O_RDONLY);
  Program program;
  program.in = input.get();
  // Descriptors that this test was started with, not close-on-exec, are not ours to judge.
  const std::string number = std::to_string(extra.get());
  CHECK(shell(program, "[ -e /proc/$$/fd/" + number + " ] && echo open; readlink /proc/$$/fd/0") ==
        "/etc/hostname\n");
}

TEST_CASE("start: the environment is ours with additions", "[start]") {
  set_env("HATO_START_TEST", "old");
  Program program;
  program.env = {"HATO_START_TEST=new", "HATO_START_OTHER=x y"};
  CHECK(shell(program, "env | grep HATO_START_ | sort") == "HATO_START_OTHER=x y\nHATO_START_TEST=new\n");
  unset_env("HATO_START_TEST");
}

TEST_CASE("start: signals are at their defaults", "[start]") {
  signal(SIGPIPE, SIG_IGN);
  sigset_t child, before;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, &before);
  const std::string said = shell({}, "exec grep -E '^Sig(Blk|Ign):' /proc/self/status");
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGPIPE, SIG_DFL);
  unsigned long blocked = 1, ignored = 1;
  REQUIRE(sscanf(said.c_str(), "SigBlk: %lx SigIgn: %lx", &blocked, &ignored) == 2);
  CHECK(blocked == 0);
  CHECK((ignored & 1UL << (SIGPIPE - 1)) == 0);
}

TEST_CASE("start: limits and the alarm", "[start]") {
  Program program;
  program.limits = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, 64}};
  CHECK(shell(program, "ulimit -c; ulimit -Hn") == "0\n64\n");
  Program soft;
  soft.open_files = 77;
  CHECK(shell(soft, "ulimit -Sn") == "77\n");
  Program slow;
  slow.alarm_seconds = 1;
  int status = 0;
  shell(slow, "exec sleep 30", &status);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGALRM);
}

TEST_CASE("start: another user, for good", "[start]") {
  Program program;
  program.identity = Identity{61234, 61235};
  if (geteuid() != 0) {
    program.path = "/bin/true";
    program.args = {"true"};
    CHECK(note_of(program) == "setgroups: Operation not permitted");
    return;
  }
  CHECK(shell(program, "exec grep -E '^(Uid|Gid|Groups|CapEff|CapPrm):' /proc/self/status") ==
        "Uid:\t61234\t61234\t61234\t61234\nGid:\t61235\t61235\t61235\t61235\nGroups:\t61235 \n"
        "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
  program.identity = Identity{0, 0};
  StartNotes notes;
  StartNote note = notes.take();
  CHECK_THROWS_AS(start_program(program, note), TempError);
}

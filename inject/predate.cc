// predate(1): puts a Date field in local time in front of a message and feeds it to a program.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <memory>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/mail/date.h"

namespace {

using namespace hato;

constexpr std::size_t piece_size = 64U << 10;

std::string local_date() {
  const time_t now = static_cast<time_t>(now_seconds());
  tm local{};
  localtime_r(&now, &local);
  return rfc5322_date(now, static_cast<int>(local.tm_gmtoff / 60));
}

// False when the program reads no more; its exit code says why.
bool feed(const Fd& program, std::string_view data) {
  try {
    write_all(program.get(), data, "program");
    return true;
  } catch (const SystemError& error) {
    if (error.error() != EPIPE) throw;
    return false;
  }
}

void copy_message(const Fd& program) {
  if (!feed(program, "Date: " + local_date() + "\n")) return;
  const auto space = std::make_unique<char[]>(piece_size);
  for (;;) {
    const ssize_t n = read(0, space.get(), piece_size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read message");
    if (n == 0 || !feed(program, std::string_view(space.get(), static_cast<std::size_t>(n)))) return;
  }
}

int body(int argc, char** argv) {
  if (argc < 2) throw PermError("usage: predate program [ arg ... ]");
  FdPair pipe = make_pipe();
  const pid_t pid = fork_child("predate", [&]() -> int {
    default_signals();
    move_to(std::move(pipe.first), 0);
    exec_program(std::vector<std::string>(argv + 1, argv + argc));
  });
  pipe.first.reset();
  ignore_sigpipe();
  try {
    copy_message(pipe.second);
  } catch (const Error&) {
    kill(pid, SIGKILL);  // it must not take half a message for a whole one
    wait_for_child(pid);
    throw;
  }
  pipe.second.reset();
  const int status = wait_for_child(pid);
  if (!WIFEXITED(status)) throw TempError(std::string(argv[1]) + " was killed");
  return WEXITSTATUS(status);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("predate", argc, argv, body);
}

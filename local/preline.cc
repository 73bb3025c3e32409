// preline [-dDfFrR] PROGRAM [ARG ...]: gives PROGRAM the message with From_, Return-Path and Delivered-To
// lines in front. man preline.
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"

using namespace hato;

namespace {

constexpr char usage[] = "usage: preline [ -dDfFrR ] program [ arg ... ]";

std::string chosen_lines(int argc, char** argv) {
  const std::optional<std::string> from = env("UFLINE"), path = env("RPLINE"), delivered = env("DTLINE");
  if (!from || !path || !delivered) throw PermError(usage);
  bool with_from = true, with_path = true, with_delivered = true;
  opterr = 0;
  for (int option; (option = getopt(argc, argv, "+frdFRD")) != -1;) switch (option) {
      case 'f':
      case 'F':
        with_from = option == 'F';
        break;
      case 'r':
      case 'R':
        with_path = option == 'R';
        break;
      case 'd':
      case 'D':
        with_delivered = option == 'D';
        break;
      default:
        throw PermError(usage);
    }
  return (with_from ? *from : "") + (with_path ? *path : "") + (with_delivered ? *delivered : "");
}

// A program may stop reading when it has seen enough: its exit code is what counts.
bool feed(int to, std::string_view data) {
  try {
    write_all(to, data, "pipe");
    return true;
  } catch (const SystemError& e) {
    if (e.error() == EPIPE) return false;
    throw;
  }
}

void copy_input(int to) {
  char space[16384];
  for (;;) {
    const ssize_t n = read(0, space, sizeof space);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("fatal: unable to copy input");
    if (n == 0 || !feed(to, {space, static_cast<std::size_t>(n)})) return;
  }
}

int body(int argc, char** argv) {
  const std::string lines = chosen_lines(argc, argv);
  if (optind >= argc) throw PermError(usage);
  ignore_sigpipe();
  FdPair pipe = make_pipe();
  const pid_t pid = fork_child("preline", [&]() -> int {
    move_to(std::move(pipe.first), 0);
    pipe.second.reset();
    default_signals();
    execvp(argv[optind], argv + optind);
    throw_errno(std::string("fatal: unable to run ") + argv[optind]);
  });
  pipe.first.reset();
  if (feed(pipe.second.get(), lines)) copy_input(pipe.second.get());
  pipe.second.reset();
  const int status = wait_for_child(pid);
  if (!WIFEXITED(status)) throw TempError("fatal: child crashed");
  return WEXITSTATUS(status);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("preline", argc, argv, body);
}

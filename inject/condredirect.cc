// condredirect(1): asks a program whether a delivered message goes to another address.
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject/forwarding.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"

namespace {

using namespace hato;

constexpr int stop_here = 99;  // qmail-command(8): the rest of the dot-file is not read
constexpr int try_later = 111;
constexpr int no_such_program = 100;  // any code but 0 and 111

int run_program(const std::vector<std::string>& words) {
  const pid_t pid = fork_child("condredirect", [&]() -> int {
    default_signals();
    try {
      exec_program(words);
    } catch (const SystemError& error) {
      return error.error() == ENOENT || error.error() == EACCES || error.error() == ENOTDIR ? no_such_program
                                                                                            : try_later;
    }
  });
  const int status = wait_for_child(pid);
  if (!WIFEXITED(status))
    throw TempError(words[0] + " was killed by signal " + std::to_string(WTERMSIG(status)));
  return WEXITSTATUS(status);
}

int body(int argc, char** argv) {
  if (argc < 3) throw PermError("usage: condredirect newaddress program [ arg ... ]");
  const off_t start = lseek(0, 0, SEEK_CUR);
  if (start < 0) throw_errno("the message must be a file: seek");
  switch (run_program(std::vector<std::string>(argv + 2, argv + argc))) {
    case 0:
      break;
    case try_later:
      throw TempError(std::string(argv[2]) + " failed temporarily");
    default:
      return 0;
  }
  if (lseek(0, start, SEEK_SET) < 0) throw_errno("rewind the message");
  const std::uint32_t qp = forward_message(required_env("SENDER"), {argv[1]});
  log_line(2, "condredirect: qp " + std::to_string(qp));
  return stop_here;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("condredirect", argc, argv, body);
}

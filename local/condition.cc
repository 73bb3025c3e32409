#include "local/condition.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/process.h"

namespace hato {

Condition ask_program(const char* who, char** argv) {
  const pid_t pid = fork_child(who, [argv] {
    execvp(argv[0], argv);
    return is_temporary(errno) ? 111 : 100;
  });
  const int status = wait_for_child(pid);
  if (!WIFEXITED(status)) throw TempError("fatal: child crashed");
  if (WEXITSTATUS(status) == 0) return Condition::yes;
  return WEXITSTATUS(status) == 111 ? Condition::later : Condition::no;
}

}  // namespace hato

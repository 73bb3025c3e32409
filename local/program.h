// Program lines of a dot-file, qmail-command(8): sh -c COMMAND as the user, in his home, within limits; or
// one of our own programs without a shell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"
#include "lib/store/message_file.h"
#include "local/output.h"

namespace hato {

// control/progtime: seconds until a program and its process group are killed; 0: no limit.
constexpr std::int64_t default_progtime = 900;
// control/progmem: bytes of address space for each process of it (RLIMIT_AS); 0: no limit.
#ifdef __SANITIZE_ADDRESS__  // which reserves terabytes of it in our own programs
constexpr std::int64_t default_progmem = 0;
#else
constexpr std::int64_t default_progmem = 1 << 30;
#endif
// Bytes of what all programs of one delivery say that are passed on; the rest is read and thrown away.
constexpr std::size_t program_output_limit = 64U << 10;
// A message of at most this many bytes is copied into memory for programs, a larger one into an unlinked
// file.
constexpr off_t memory_copy_limit = 1 << 20;

struct ProgramLimits {
  std::int64_t seconds;
  std::int64_t memory;
};
ProgramLimits program_limits();  // from the control files; throws TempError

enum class ProgramVerdict {
  delivered,       // 0
  delivered_stop,  // 99: the rest of the dot-file is ignored
  hard,            // 64 65 70 76 77 78 100 112: bounce
  soft,            // any other exit code: try again
};
ProgramVerdict program_verdict(int exit_code);

// The words for a command line that is the shell's.
std::vector<std::string> shell_command(std::string_view command);

// Runs program lines, each with its own reading of the same read-only copy of the message.
class ProgramRunner {
 public:
  ProgramRunner(MessageFile& message, ProgramLimits limits, Output& output);

  // words: a program, by its absolute path or one of HOME/bin by its name, and its arguments. What it prints
  // goes to the output given. Returns when it has ended; what it left in the background loses its output and
  // is not waited for. TempError: it crashed, could not be started, or was killed at its deadline. The
  // environment is this process' (set_delivery_environment).
  ProgramVerdict run(const std::vector<std::string>& words);

 private:
  Fd copy_;
  Output& output_;
  ProgramLimits limits_;
  std::size_t output_left_ = program_output_limit;
};

// A read-only descriptor of just the message, which nobody can find by a name: a sealed memfd, or an unlinked
// file below /var/tmp or /tmp.
Fd private_copy(MessageFile& message);

}  // namespace hato

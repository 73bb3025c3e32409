// A program asked for a decision about the message on descriptor 0: bouncesaying(1), except(1).
#pragma once

namespace hato {

enum class Condition {
  yes,    // exit code 0
  no,     // any other exit code, or there is no such program
  later,  // 111, or it could not be started just now
};

// Runs argv[0] (searched in PATH) with its arguments and waits. TempError when it cannot be started at all or
// crashed.
Condition ask_program(const char* who, char** argv);

}  // namespace hato

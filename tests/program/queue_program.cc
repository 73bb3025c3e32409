#include "tests/program/queue_program.h"

#include <sys/stat.h>
#include <unistd.h>

namespace hato::test {

void QueueProgram::ends(const std::string& end) const {
  chmod(scratch_.path().c_str(), 0777);  // it runs as anybody, also as a user without a name
  const std::string path =
      scratch_.write("program", "#!/bin/sh\ncat >" + scratch_.file("message") + "\ntr '\\000' '|' <&1 >" +
                                    scratch_.file("envelope") + "\nenv >" + scratch_.file("environment") +
                                    "\nid -un 2>/dev/null >" + scratch_.file("user") + "\n" + end + "\n");
  chmod(path.c_str(), 0755);
}

void QueueProgram::forget() const {
  for (const char* kept : {"message", "envelope", "environment", "user"}) unlink(scratch_.file(kept).c_str());
}

}  // namespace hato::test

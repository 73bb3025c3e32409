// A temporary file that nobody can find by a name.
#pragma once

#include "lib/base/fd.h"

namespace hato {

struct UnnamedFile {
  Fd writing;  // its position is the end of what was written
  Fd reading;  // another opening, read-only, at the start
};
// Below /var/tmp or /tmp, made and unlinked at once, mode 0600. Throws SystemError.
UnnamedFile make_unnamed_file();

// What fd holds from where it stands to its end, on a descriptor that can seek and stands at the start of it:
// fd itself when it is a regular file (then the result is empty), else a copy, in memory up to 1 MiB and in
// an unnamed file beyond. Throws SystemError, naming the message.
Fd seekable_copy(int fd);

}  // namespace hato

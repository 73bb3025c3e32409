// Where the gate listens: sockets handed over by a supervisor, or its own.
#pragma once

#include <string>
#include <vector>

#include "lib/base/fd.h"

namespace hato {

struct GateSockets {
  std::vector<Fd> listening;     // non-blocking
  std::vector<std::string> own;  // paths made by us, to be removed at the end
};

// In this order: $LISTEN_FDS and $LISTEN_PID (sd_listen_fds(3)); fd 0 when it is a listening socket (an fd
// holder); else a socket of mode 0666 at each of `paths`. Somebody listening there already is a TempError.
GateSockets open_gate(const std::vector<std::string>& paths);

}  // namespace hato

// Unix sockets by path: a service's own, and connecting to one.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <string>

#include "lib/base/fd.h"

namespace hato {

// Listens at `path`, non-blocking, made with `mode`. A socket that was left there by a service that was
// killed is replaced; TempError when somebody listens there. The directory must be the caller's alone to
// write. Throws SystemError for anything else.
Fd listen_local(const std::string& path, int type, mode_t mode, int backlog = 128);

// Connected and non-blocking. Throws SystemError ("connect PATH"), also when the service has no place in its
// queue (EAGAIN): it never waits.
Fd connect_local(const std::string& path, int type);

}  // namespace hato

// The sealed process that accepts senders and gives each a worker: one that waits for another sender of the
// same uid, or a new one.
#pragma once

#include <signal.h>

#include <vector>

#include "lib/base/fd.h"
#include "qmail-send/gate_settings.h"
#include "qmail-send/gate_slots.h"
#include "qmail-send/gate_worker.h"

namespace hato {

// Another acceptor is in its place: it closes its sockets, and ends with its last worker, however long that
// takes.
constexpr int retire_signal = SIGUSR1;

// Seals itself (profile gate), then serves until SIGTERM; then closes its sockets, waits for its workers (60
// s at most) and returns the exit code. Dies with `parent`. Listening sockets are non-blocking.
int accept_senders(std::vector<Fd> listening, GateSlots& slots, const GateSettings& settings,
                   const WorkerPlace& place, pid_t parent);

}  // namespace hato

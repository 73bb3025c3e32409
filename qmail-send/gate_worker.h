// One message's server side of the gate, in a process of its own.
#pragma once

#include "lib/base/fd.h"
#include "qmail-send/gate_settings.h"
#include "qmail-send/gate_slots.h"

namespace hato {

struct WorkerPlace {
  int new_directory;  // queue/new
  int trigger;        // queue/lock/trigger, non-blocking
  int reopener;  // SOCK_DGRAM to the supervisor, who reopens descriptors read-only; -1: no content services
};

// Speaks the protocol of lib/net/gate.h on `client` until its message is committed or given up. Never throws;
// returns the process' exit code. Logs one line on fd 2 for a message that is refused or fails.
int serve_sender(Fd client, Peer peer, GateSlot& slot, GateSlots& slots, const GateSettings& settings,
                 const WorkerPlace& place);

}  // namespace hato

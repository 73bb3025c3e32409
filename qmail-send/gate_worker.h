// The server side of the gate, in a process of its own: one message, and then perhaps those of further
// senders with the same uid.
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
//
// When `further` is open and the message was queued, the worker then waits for another sender as
// settings.reuse says; one comes as a message on `further`: a Peer as it is in memory, with the sender's
// socket. It is the acceptor's to see that all are of one uid: what one sender could do to a worker, the next
// of the same uid may suffer. After anything but success the worker ends.
int serve_senders(Fd client, Peer peer, Fd further, GateSlot& slot, GateSlots& slots,
                  const GateSettings& settings, const WorkerPlace& place);

}  // namespace hato

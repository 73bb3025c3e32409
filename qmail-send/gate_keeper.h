// The process that qmail-start leaves behind for the gate: starts qmail-queued when nobody listens on
// HOME/gate/s, starts it again when it died, and ends it when qmail-send has ended.
#pragma once

namespace hato {

// A gate of somebody else's (a supervisor's socket) that is there for so long is left to him, in seconds.
constexpr int others_gate_seconds = 10;

// Does anybody accept connections on the gate's socket?
bool somebody_listens();

// Keeps the gate until `lifeline`, a pipe's read end whose other end only qmail-send holds, comes to its end,
// or until it is clear that somebody else keeps it. To be run in a process of its own, as root. fd 2 is the
// log; all other descriptors are close-on-exec.
void keep_gate(int lifeline);

}  // namespace hato

// qmail-queue's exit codes (qmail-queue(8), and design.md section 6 for our own) and what callers say about
// them.
#pragma once

#include <string>

namespace hato {

enum class QueueExit : int {
  ok = 0,
  address_too_long = 11,
  refused = 31,
  memory = 51,
  deadline = 52,
  spool = 53,         // writing, space, inodes, fsync
  broken_off = 54,    // message or envelope ended early
  installation = 61,  // 61 to 66
  not_admitted = 71,  // the pool of this kind is full
  gate_silent = 72,   // nobody listens, or no answer
  no_permission = 73,
  outcome_unknown = 74,  // the connection was lost after commit was sent
  custom_text = 82,      // the text is on fd 6 (or in the gate's answer)
  envelope_format = 91,
};

// qmail's way to hand on a result: first byte 'D' (permanent) or 'Z' (temporary), then a sentence with the
// enhanced code at its end: "Zqq read error (#4.3.0)". custom is the text that came with code 82, if any; one
// that does not begin with D or Z is taken as temporary. Empty for code 0.
std::string queue_exit_text(int code, const std::string& custom = "");

// Hands the text of code 82 to the caller of a queue program: on descriptor 6, when it is a FIFO, 255 bytes
// at most. False: there is nobody to read it.
bool tell_queue_text(const std::string& text);

}  // namespace hato

// What qmail-qmtpd and qmail-qmqpd are but for their protocol: one session on descriptors 0 and 1.
#pragma once

#include "qmtp/package.h"

namespace hato::qmtp {

// A session may take one hour (qmtp.txt section 2, qmqp.html); a wait within it 20 minutes.
inline constexpr int session_seconds = 3600;
inline constexpr int wait_seconds = 1200;

// Reads the control files, gives up root, seals, and serves. Exit code: 0, or 1 when the client went away in
// the middle, was silent for too long or sent what is no package, or when the control files could not be
// read.
int serve(const char* program, Protocol protocol);

}  // namespace hato::qmtp

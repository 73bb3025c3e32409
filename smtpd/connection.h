// Moves octets between a client's descriptors and a Session, within the session's time limits.
#pragma once

#include "smtpd/session.h"

namespace hato::smtpd {

// Speaks SMTP on `in` and `out` until it is over. Returns the exit code of qmail-smtpd: 0 after QUIT, 1 when
// the client went away, fell silent or was hung up on.
int converse(int in, int out, Session& session, const Settings& settings);

// One reply to a client that gets no session ("421 unable to read controls"); errors are ignored.
void turn_away(int out, const std::string& reply);

}  // namespace hato::smtpd

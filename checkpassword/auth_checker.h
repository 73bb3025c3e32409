// The half of qmail-authd that looks at secrets: a process that gets one question after another from the half
// that talks to clients, and has a child answer each. It never sees a client's bytes but as a parsed question.
#pragma once

#include <cstddef>
#include <string>

#include "lib/net/auth_protocol.h"

namespace hato {

struct AuthSources {
  std::string program;  // an operator's own checkpassword-compatible one; then nothing else is asked
  bool system_users = false;  // /etc/passwd and /etc/shadow, too
};

// One answer; takes as long for an unknown login as for a wrong password. Throws TempError and SystemError.
AuthAnswer check_login(const AuthQuestion& question, const AuthSources& sources);

// Serves until the socket's other side is gone. Each packet is a question (lib/net/auth_protocol.h) with the
// descriptor of a pipe, into which the answer goes; a pipe that is closed without one means "later".
void serve_auth_checks(int socket, const AuthSources& sources);

// Seconds that a check may take, an operator's program included.
constexpr unsigned auth_check_seconds = 30;

}  // namespace hato

// Asks qmail-authd(8) whether a password is right.
#pragma once

#include <string>

#include "lib/net/auth_protocol.h"

namespace hato {

// Longer than qmail-authd makes a wrong guess wait.
constexpr std::int64_t auth_answer_seconds = 40;

// Connects, asks, and reads the answer. Nobody there, no answer in time, an unintelligible one: later, with
// the reason. A login or password that cannot be anybody's (over a limit, with an LF or NUL): no.
AuthAnswer ask_auth(const AuthQuestion& question);

}  // namespace hato

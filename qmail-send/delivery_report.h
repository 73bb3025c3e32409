// What becomes of a program's exit code and output: the texts and letters that qmail-send gets. Pure.
// Sources: qmail-lspawn(8), qmail-rspawn(8), qmail-local(8), qmail-remote(8).
#pragma once

#include <string_view>

#include "qmail-send/spawner.h"

namespace hato {

// qmail-local: exit 0 is K; 71, 74, 75, 111 Z; 100 and any other D, each with its output up to the first NUL.
// qmail-lspawn's own codes of old (112 and up; a program in qmail-local's place may use them) have fixed
// texts and are Z, 126 and 127 (a wrapper that could not run it) too. A crash is Z.
Verdict digest_local(int wait_status, std::string_view output);

// qmail-getpw's exit codes other than 0, and a crash: always Z.
Verdict digest_getpw_failure(int wait_status);

// qmail-remote for one recipient: its report is a recipient report r, h or s, then a message report K, Z or
// D, each a letter, text and NUL. r follows the message report, h is D, s is Z; the text is the recipient's
// and, unless the recipient fared worse than the message, the message's behind it. Exit codes other than 0, a
// crash, no output, or output without a message report: Z (only exit 100 is qmail's D: wrong usage).
Verdict digest_remote(int wait_status, std::string_view output);

}  // namespace hato

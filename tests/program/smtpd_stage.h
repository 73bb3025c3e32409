// For program tests of qmail-smtpd: its control files, whole conversations, and what is said in most of them.
#pragma once

#include <string>
#include <string_view>

#include "tests/program/gate.h"
#include "tests/program/live_session.h"
#include "tests/program/process.h"
#include "tests/program/queue_program.h"

namespace hato::test {

// Control files of mx.example, which takes mail for here.example; all of them are gone afterwards.
class MxControls : public ControlFiles {
 public:
  explicit MxControls(Controls files = {})
      : ControlFiles(std::move(files), {{"me", "mx.example\n"}, {"rcpthosts", "here.example\n"}}) {}
};

inline const std::string hello = "EHLO c.example\r\n";
inline const std::string letter = "MAIL FROM:<s@there.example>\r\nRCPT TO:<r@here.example>\r\n";

// A conversation in which the client does not wait for replies.
Outcome smtp(const std::string& input, const Env& env = from_outside, int seconds = 30);
// from_outside, with this program in qmail-queue's place.
Env into(const QueueProgram& program);
// The codes of all replies, one word each; "250-" lines of one reply count once.
std::string codes(std::string_view out);
// What the client sent: the message behind qmail-smtpd's own Received field, which has two lines.
std::string body_in(const QueueProgram& program);

}  // namespace hato::test

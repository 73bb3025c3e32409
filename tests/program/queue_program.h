// A program in qmail-queue's place ($QMAILQUEUE) that keeps what it is given.
#pragma once

#include <string>

#include "tests/program/process.h"

namespace hato::test {

class QueueProgram {
 public:
  // end: what the shell does when it has read all ("exit 31"); fd 6 is for the text of exit code 82.
  explicit QueueProgram(const std::string& end = "exit 0") { ends(end); }
  // From the next run on.
  void ends(const std::string& end) const;

  std::string path() const { return scratch_.file("program"); }
  // Of the last run; "" when there was none.
  std::string message() const { return slurp(scratch_.file("message")); }
  std::string envelope() const { return slurp(scratch_.file("envelope")); }  // with | for NUL
  std::string environment() const { return slurp(scratch_.file("environment")); }
  std::string user() const { return slurp(scratch_.file("user")); }  // the uid when it has no name
  void forget() const;                                               // as if there had been none

 private:
  ScratchDirectory scratch_;
};

}  // namespace hato::test

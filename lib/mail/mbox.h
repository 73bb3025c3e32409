// The lines of an mbox file, mbox(5): pure text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hato {

// "From SENDER Mon Nov 23 10:00:00 2026\n", UTC. White space in the sender becomes "-"; the null sender is
// MAILER-DAEMON.
std::string from_line(std::string_view sender, std::int64_t seconds);

// Would the line be taken for a From_ line, or for one that was quoted: any number of > and then "From "?
// Writers put one more > in front, so that readers can take one away.
bool needs_from_quoting(std::string_view line);

// The rest of an mbox message: turns a message that comes in pieces of any size into its lines in an mbox,
// with From_ quoting, an LF after an unended last line and an empty line at the end.
class MboxQuoter {
 public:
  void put(std::string_view piece, std::string& out);  // appends to out
  void end(std::string& out);

 private:
  std::string start_;    // the start of a line, held back until it can be told
  bool inside_ = false;  // past the start of a line: the rest is copied
};

}  // namespace hato

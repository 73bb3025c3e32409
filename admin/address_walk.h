// What would become of a message for an address, without delivering one: the way through routing, accounts
// and dot-files that qmail-send, qmail-lspawn and qmail-local go, forwards followed among local addresses.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/mail/router.h"
#include "lib/store/control.h"
#include "lib/store/recipients.h"

namespace hato {

inline constexpr std::size_t max_walk_steps = 1000;        // addresses that are looked at
inline constexpr std::size_t max_step_instructions = 100;  // of one dot-file that are told

struct WalkInstruction {
  const char* kind;  // "maildir", "mbox", "forward", "program"
  std::string text;
};

struct WalkStep {
  std::string address;  // raw
  std::string by;       // the address whose dot-file forwards here; empty: the one that was asked about
  enum class Where { remote, local, unknown } where = Where::unknown;
  std::string account;  // of a local one
  uid_t uid = 0;        // likewise
  std::string file;     // its dot-file; empty: the mailbox without one
  std::vector<WalkInstruction> instructions;
  std::string note;   // why it goes no further: a bounce, a deferral, a doubt
  bool loop = false;  // it comes back to a dot-file that it came from
};

class AddressWalk {
 public:
  // Answers what only qmail-getpw(8) knows; nullopt: it cannot be asked.
  using Getpw = std::function<std::optional<Assignment>(const AskGetpw&)>;

  AddressWalk(const Control& control, Getpw getpw) : control_(control), getpw_(std::move(getpw)) {}

  // The steps in the order in which they are come to: each address before those it forwards to. Throws
  // TempError when the tables cannot be read.
  std::vector<WalkStep> follow(const std::string& address);

  // Would a message for `target` come to `login`'s dot-file `file` (".qmail-foo"), were it there?
  bool leads_to(const std::string& target, const std::string& login, const std::string& file);

 private:
  struct Search {
    std::string login, file;  // what leads_to looks for; empty: nothing
    bool found = false;
    std::vector<WalkStep> steps;
    std::vector<std::string> way;  // dot-files, from the first to the present one
    std::set<std::string> seen;    // dot-files from which what leads_to looks for is not come to
  };
  void visit(Search& search, const std::string& address, const std::string& by);
  void look_at_local(Search& search, WalkStep step, const Route& route);

  Control control_;
  Getpw getpw_;
  std::optional<Router> router_;
  Recipients recipients_;
};

}  // namespace hato

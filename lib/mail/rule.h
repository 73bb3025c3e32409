// What one address of an account does, as a control panel sees it, and the dot-file (dot-qmail(5)) that says
// so. Pure.
//
// Lines that are understood: &ADDRESS; the account's mailbox and the Maildir++ folders of it;
// |qmail-vacation WORDS, and the same behind a # for a reply that is switched off; |bouncesaying WORD. All
// others belong to whoever wrote them, and stay as they are and where they are. So does a second copy, reply
// or refusal, where a rule has one only, for as long as the rule has it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/mail/closed_address.h"
#include "lib/mail/dotfile.h"
#include "lib/mail/vacation.h"

namespace hato {

inline constexpr std::size_t max_refusal = max_closed_text;  // bytes; all of them are said at RCPT

struct Rule {
  std::vector<std::string> forward;  // raw addresses, in the order of the file, none twice
  bool keep = true;                  // a copy into the mailbox
  std::string folder;                // UTF-8, "/" between levels: into this folder of it; empty: the mailbox
  std::optional<Vacation> vacation;
  bool vacation_on = true;             // false: the reply is kept for later
  std::optional<std::string> refusal;  // mail bounces with these words, one line of UTF-8

  // Nothing becomes of the mail (where no other line of the file sees to it).
  bool discards() const { return !keep && forward.empty() && !refusal; }
  bool operator==(const Rule&) const = default;
};

struct RuleText {
  Rule rule;
  std::vector<std::string> others;     // the lines that are not understood, without their line ends
  bool others_deliver = false;         // one of them is an instruction
  std::optional<std::string> problem;  // why qmail-local(8) does not take the file
};

// A rule that cannot be: `field` is the member it is about ("forward", "vacation", ...), or empty.
class RuleError : public PermError {
 public:
  RuleError(std::string field, std::string text) : PermError(std::move(text)), field_(std::move(field)) {}
  const std::string& field() const { return field_; }

 private:
  std::string field_;
};

// `mailbox`: the account's, as a dot-file line ("./Maildir/"). An empty file means what no file means: the
// mailbox. forward_only and confinement: as parse_dotfile has them.
RuleText read_rule(std::string_view dotfile, std::string_view mailbox, bool forward_only,
                   const Confinement* confinement = nullptr);

// `dotfile` with this rule in place of its own. Throws RuleError when the rule contradicts itself, when the
// mailbox has no folders, or when qmail-local would not take the file (forward_only, a blank first line ...).
std::string edit_rule(std::string_view dotfile, const Rule& rule, std::string_view mailbox, bool forward_only,
                      const Confinement* confinement = nullptr);

// A forward target as people write it, raw: checked by RFC 5321's grammar, domain included; nullopt: none.
std::optional<std::string> forward_address(std::string_view text);

}  // namespace hato

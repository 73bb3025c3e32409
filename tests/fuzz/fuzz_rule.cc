// Dot-files as rules: an edit with the rule that was read changes nothing that counts, and keeps every other
// line; and vacation replies made of any header.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "admin/rule_json.h"
#include "lib/mail/header.h"
#include "lib/mail/mailbox_name.h"
#include "lib/mail/rule.h"
#include "lib/mail/vacation.h"

namespace {

using namespace hato;

constexpr char mailbox[] = "./Maildir/";

void edit(std::string_view text, bool forward_only) {
  const RuleText before = read_rule(text, mailbox, forward_only);
  std::string after;
  try {
    after = edit_rule(text, before.rule, mailbox, forward_only);
  } catch (const RuleError&) {
    return;
  }
  const RuleText again = read_rule(after, mailbox, forward_only);
  // An empty file is the mailbox; one with nothing in it gets a line that says so.
  if (again.rule != before.rule || again.others != before.others || again.problem) std::abort();
  if (edit_rule(after, again.rule, mailbox, forward_only) != after) std::abort();
  Rule other = before.rule;
  other.refusal.reset();
  other.keep = !other.keep;
  other.folder.clear();
  if (other.forward.empty()) other.forward.push_back("x@y.example");
  try {
    const RuleText changed = read_rule(edit_rule(text, other, mailbox, forward_only), mailbox, forward_only);
    if (changed.rule != other) std::abort();
    // Second copies and refusals go with the first; nothing else does.
    auto at = before.others.begin();
    for (const std::string& line : changed.others) {
      at = std::find(at, before.others.end(), line);
      if (at++ == before.others.end()) std::abort();
    }
  } catch (const RuleError&) {
  }
}

// What a panel sends, and what it is told of it.
void change(std::string_view json) {
  const std::string hand = "# mine\n|filter\n./Maildir/\n&a@x.example\n";
  try {
    const RuleText before = read_rule(hand, mailbox, false);
    const std::string after = edit_rule(hand, changed_rule(JsonValue::parse(json), before), mailbox, false);
    const RuleText text = read_rule(after, mailbox, false);
    if (text.others != before.others) std::abort();
    const Rule again = changed_rule(JsonValue::parse(rule_json({"abc", "x", ".qmail-x", true}, text)), text);
    if (edit_rule(after, again, mailbox, false) != after) std::abort();
  } catch (const PermError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  edit(text, false);
  edit(text, true);
  change(text);
  if (const auto directory = folder_directory(text)) {
    if (folder_name(*directory) != text || directory->find('/') != std::string::npos) std::abort();
  }
  if (const auto folder = folder_name(text))
    if (folder_directory(*folder) != text) std::abort();
  if (const auto address = forward_address(text))
    if (address->find('\n') != std::string::npos) std::abort();
  vacation_moment(text, false);

  const std::string named = named_recipient(text, [](const std::string&) { return true; });
  const VacationMessage message{text, "you@y.example", named};
  no_reply_reason(message);
  const std::string reply =
      vacation_reply({.text = "x", .subject = "", .from = "", .until = ""}, message, "i", 0);
  std::size_t fields = 0;
  HeaderFields header(reply);
  while (header.next()) ++fields;
  // Nothing in the message makes a field of its own in the reply.
  const bool threaded = reply.find("\nIn-Reply-To:") != std::string::npos;
  if (fields != 10 + (threaded ? 2U : 0U)) std::abort();
  if (!reply.ends_with("\n\nx\n")) std::abort();
  return 0;
}

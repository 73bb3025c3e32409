// A rule (what one address of an account does) as qmail-dot(8) tells it and takes it: JSON. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/json_value.h"

namespace hato::panel {

struct Vacation {
  bool on = false;
  std::string text;
  std::string subject, from, until;  // empty: not set
};

struct Rule {
  std::string ext;  // "": the account itself
  bool exists = false;
  std::vector<std::string> forward;
  bool keep = true;
  std::string folder;  // empty: the mailbox itself
  std::optional<Vacation> vacation;
  std::optional<std::string> refusal;
  bool discard = false;
  std::vector<std::string> other;      // lines that the tool does not understand
  std::optional<std::string> problem;  // why the rule does not work
};

// Throws TempError when it is not such an object: the tool and the panel are of different versions.
Rule parse_rule(const JsonValue& value);
// What qmail-dot set --json reads.
std::string rule_json(const Rule& rule);

}  // namespace hato::panel

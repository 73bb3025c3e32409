// A rule (lib/mail/rule.h) as the JSON of qmail-dot(8). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/mail/json_value.h"
#include "lib/mail/rule.h"

namespace hato {

// Where a rule stands.
struct RulePlace {
  std::string account;
  std::string ext;
  std::string file;
  bool exists = false;
};

// Every member, on one line, without its LF.
std::string rule_json(const RulePlace& place, const RuleText& text);

// `base` changed by the members of the object: what is not there stays, but for a refusal or discard, with
// which all else that is not there is off. Throws RuleError.
Rule changed_rule(const JsonValue& object, const RuleText& base);

}  // namespace hato

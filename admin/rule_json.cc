#include "admin/rule_json.h"

#include <algorithm>
#include <limits>

#include "lib/mail/address.h"
#include "lib/mail/json.h"

namespace hato {

namespace {

std::string or_null(const std::string& text) {
  return text.empty() ? "null" : json_string(text);
}

const char* truth(bool value) {
  return value ? "true" : "false";
}

template <class Values, class Form>
std::string array(const Values& values, Form form) {
  std::string text = "[";
  for (const auto& value : values) text += (text.size() > 1 ? "," : "") + json_string(form(value));
  return text + "]";
}

std::string vacation_json(const Rule& rule) {
  if (!rule.vacation) return "null";
  const Vacation& vacation = *rule.vacation;
  return std::string("{\"on\":") + truth(rule.vacation_on) + ",\"text\":" + json_string(vacation.text) +
         ",\"subject\":" + or_null(vacation.subject) + ",\"from\":" + or_null(vacation.from) +
         ",\"until\":" + or_null(vacation.until) + ",\"days\":" + std::to_string(vacation.days) + "}";
}

// Members of a rule by their kind; null is "none" where there can be none.
bool boolean_of(const JsonValue& value, const std::string& name) {
  if (value.boolean() == nullptr) throw RuleError(name, name + " is true or false");
  return *value.boolean();
}

std::string text_of(const JsonValue& value, const std::string& name, const std::string& field) {
  if (value.is_null()) return "";
  if (value.string() == nullptr) throw RuleError(field, name + " is a text or null");
  return *value.string();
}

std::vector<std::string> forwards_of(const JsonValue& value) {
  if (value.items() == nullptr) throw RuleError("forward", "forward is a list of addresses");
  std::vector<std::string> forwards;
  for (const JsonValue& item : *value.items()) {
    if (item.string() == nullptr) throw RuleError("forward", "forward is a list of addresses");
    const std::optional<std::string> raw = forward_address(*item.string());
    if (!raw) throw RuleError("forward", "\"" + *item.string() + "\" is not a complete address");
    forwards.push_back(*raw);
  }
  return forwards;
}

void change_vacation(const JsonValue& value, Rule& rule) {
  const std::string field = "vacation";
  if (value.is_null()) {
    rule.vacation.reset();
    rule.vacation_on = true;
    return;
  }
  if (value.members() == nullptr) throw RuleError(field, "vacation is an object or null");
  Vacation vacation;
  bool on = true;
  for (const auto& [name, member] : *value.members()) {
    if (name == "on") {
      if (member.boolean() == nullptr) throw RuleError(field, "vacation's on is true or false");
      on = *member.boolean();
    } else if (name == "text") {
      vacation.text = text_of(member, name, field);
    } else if (name == "subject") {
      vacation.subject = text_of(member, name, field);
    } else if (name == "from") {
      vacation.from = text_of(member, name, field);
    } else if (name == "until") {
      vacation.until = text_of(member, name, field);
    } else if (name == "days") {
      if (member.number() == nullptr || *member.number() < 1 || *member.number() > max_vacation_days)
        throw RuleError(field, "days is a number, 1 to " + std::to_string(max_vacation_days));
      vacation.days = static_cast<int>(*member.number());
    } else {
      throw RuleError(field, "vacation has no member \"" + name.substr(0, 80) + "\"");
    }
  }
  // A form sends what its browser made of the lines.
  std::erase(vacation.text, '\r');
  try {
    check_vacation(vacation);
  } catch (const PermError& e) {
    throw RuleError(field, e.text());
  }
  rule.vacation = std::move(vacation);
  rule.vacation_on = on;
}

bool is_read_only(std::string_view name) {
  for (const std::string_view known : {"account", "ext", "file", "exists", "other", "problem"})
    if (name == known) return true;
  return false;
}

Rule nothing() {
  Rule rule;
  rule.keep = false;
  return rule;
}

}  // namespace

std::string rule_json(const RulePlace& place, const RuleText& text) {
  const Rule& rule = text.rule;
  return "{\"account\":" + json_string(place.account) + ",\"ext\":" + json_string(place.ext) +
         ",\"file\":" + json_string(place.file) + ",\"exists\":" + truth(place.exists) +
         ",\"forward\":" + array(rule.forward, [](const std::string& raw) { return quote_address(raw); }) +
         ",\"keep\":" + truth(rule.keep) + ",\"folder\":" + or_null(rule.folder) +
         ",\"vacation\":" + vacation_json(rule) +
         ",\"refusal\":" + (rule.refusal ? json_string(*rule.refusal) : "null") +
         ",\"discard\":" + truth(rule.discards() && !text.others_deliver && !text.problem) +
         ",\"other\":" + array(text.others, [](const std::string& line) { return line; }) +
         ",\"problem\":" + (text.problem ? json_string(*text.problem) : "null") + "}";
}

Rule changed_rule(const JsonValue& object, const RuleText& base) {
  if (object.members() == nullptr) throw RuleError("", "a rule is a JSON object");
  const JsonValue* refusal = object.member("refusal");
  const JsonValue* discard = object.member("discard");
  const bool refuses = refusal != nullptr && !refusal->is_null();
  const bool discards = discard != nullptr && boolean_of(*discard, "discard");
  Rule rule = refuses || discards ? nothing() : base.rule;
  for (const auto& [name, value] : *object.members()) {
    if (name == "forward") {
      rule.forward = forwards_of(value);
    } else if (name == "keep") {
      rule.keep = boolean_of(value, "keep");
    } else if (name == "folder") {
      rule.folder = text_of(value, name, name);
    } else if (name == "vacation") {
      change_vacation(value, rule);
    } else if (name == "refusal") {
      rule.refusal.reset();
      if (refuses) rule.refusal = text_of(value, name, name);
    } else if (name != "discard" && !is_read_only(name)) {
      throw RuleError("", "a rule has no member \"" + name.substr(0, 80) + "\"");
    }
  }
  if (!rule.keep && object.member("folder") == nullptr) rule.folder.clear();
  if (discards && !rule.discards())
    throw RuleError("discard", "mail that is thrown away is not kept, forwarded or refused as well");
  const bool told = discard == nullptr ? base.rule.discards() : discards;
  if (rule.discards() && !told && !base.others_deliver)
    throw RuleError("keep",
                    "nothing would become of the mail: keep a copy, forward it, or say that it is to be "
                    "thrown away");
  return rule;
}

}  // namespace hato

#include "panel/rule.h"

#include "lib/base/error.h"
#include "lib/mail/json.h"

namespace hato::panel {

namespace {

[[noreturn]] void unknown(std::string_view name) {
  throw TempError("qmail-dot's answer is unintelligible: " + std::string(name));
}

const JsonValue& member(const JsonValue& value, std::string_view name) {
  const JsonValue* found = value.member(name);
  if (found == nullptr) unknown(name);
  return *found;
}

std::string text_of(const JsonValue& value, std::string_view name) {
  const std::string* text = member(value, name).string();
  if (text == nullptr) unknown(name);
  return *text;
}

// null and "not there" are none.
std::optional<std::string> text_or_none(const JsonValue& value, std::string_view name) {
  const JsonValue* found = value.member(name);
  if (found == nullptr || found->is_null()) return std::nullopt;
  if (found->string() == nullptr) unknown(name);
  return *found->string();
}

bool truth_of(const JsonValue& value, std::string_view name) {
  const bool* truth = member(value, name).boolean();
  if (truth == nullptr) unknown(name);
  return *truth;
}

std::vector<std::string> texts_of(const JsonValue& value, std::string_view name) {
  const JsonValue::Items* items = member(value, name).items();
  if (items == nullptr) unknown(name);
  std::vector<std::string> texts;
  for (const JsonValue& item : *items) {
    if (item.string() == nullptr) unknown(name);
    texts.push_back(*item.string());
  }
  return texts;
}

std::string quoted_or_null(const std::string& text) {
  return text.empty() ? "null" : json_string(text);
}

}  // namespace

Rule parse_rule(const JsonValue& value) {
  Rule rule;
  rule.ext = text_of(value, "ext");
  rule.exists = truth_of(value, "exists");
  rule.forward = texts_of(value, "forward");
  rule.keep = truth_of(value, "keep");
  rule.folder = text_or_none(value, "folder").value_or("");
  rule.refusal = text_or_none(value, "refusal");
  rule.discard = truth_of(value, "discard");
  rule.other = texts_of(value, "other");
  rule.problem = text_or_none(value, "problem");
  const JsonValue& vacation = member(value, "vacation");
  if (!vacation.is_null())
    rule.vacation = Vacation{
        truth_of(vacation, "on"), text_of(vacation, "text"), text_or_none(vacation, "subject").value_or(""),
        text_or_none(vacation, "from").value_or(""), text_or_none(vacation, "until").value_or("")};
  return rule;
}

std::string rule_json(const Rule& rule) {
  if (rule.refusal) return "{\"refusal\":" + json_string(*rule.refusal) + "}";
  if (rule.discard)
    return "{\"refusal\":null,\"keep\":false,\"folder\":null,\"forward\":[],\"vacation\":null,\"discard\":"
           "true}";
  std::string text = "{\"refusal\":null,\"discard\":false,\"forward\":[";
  for (std::size_t i = 0; i < rule.forward.size(); ++i)
    text += (i == 0 ? "" : ",") + json_string(rule.forward[i]);
  text += std::string("],\"keep\":") + (rule.keep ? "true" : "false") +
          ",\"folder\":" + (rule.keep ? quoted_or_null(rule.folder) : "null") + ",\"vacation\":";
  if (!rule.vacation) return text + "null}";
  const Vacation& vacation = *rule.vacation;
  return text + "{\"on\":" + (vacation.on ? "true" : "false") + ",\"text\":" + json_string(vacation.text) +
         ",\"subject\":" + quoted_or_null(vacation.subject) + ",\"from\":" + quoted_or_null(vacation.from) +
         ",\"until\":" + quoted_or_null(vacation.until) + "}}";
}

}  // namespace hato::panel

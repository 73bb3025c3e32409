// JSON text as a value (RFC 8259), for what control panels and operators hand to our tools. Read by Debian's
// nlohmann-json, which no other file includes. Pure. Writing: json.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hato {

constexpr std::size_t json_text_limit = 1U << 20;  // bytes
constexpr int json_depth_limit = 32;               // arrays and objects in one another

class JsonValue {
 public:
  using Items = std::vector<JsonValue>;
  using Members = std::map<std::string, JsonValue, std::less<>>;

  JsonValue() = default;  // null

  // The whole text is one value, UTF-8, blanks around it. Throws PermError with a sentence ("JSON: ...") when
  // it is not, is over a limit, names a member of an object twice, or has a number that is not whole or does
  // not fit into 64 bits with a sign: nothing of ours has a fraction.
  static JsonValue parse(std::string_view text);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  // nullptr when it is of another kind.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::int64_t* number() const { return std::get_if<std::int64_t>(&value_); }
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const Items* items() const { return std::get_if<Items>(&value_); }
  const Members* members() const { return std::get_if<Members>(&value_); }
  // The member of an object; nullptr when there is none or this is no object.
  const JsonValue* member(std::string_view name) const;

  bool operator==(const JsonValue&) const = default;

 private:
  friend class JsonReading;
  std::variant<std::monostate, bool, std::int64_t, std::string, Items, Members> value_;
};

}  // namespace hato

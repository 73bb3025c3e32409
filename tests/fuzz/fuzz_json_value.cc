// JSON from a control panel: any text ends as a value within the limits or as a refusal in one line.
#include <cstdint>
#include <cstdlib>

#include "lib/base/error.h"
#include "lib/mail/json.h"
#include "lib/mail/json_value.h"
#include "lib/mail/utf8.h"

using namespace hato;

namespace {

void check(const JsonValue& value, int depth) {
  if (depth > json_depth_limit + 1) std::abort();
  if (const std::string* text = value.string()) {
    if (!is_utf8(*text)) std::abort();
    const JsonValue again = JsonValue::parse(json_string(*text));
    if (again.string() == nullptr || *again.string() != *text) std::abort();
  }
  if (value.items() != nullptr)
    for (const JsonValue& item : *value.items()) check(item, depth + 1);
  if (value.members() != nullptr)
    for (const auto& [name, member] : *value.members()) check(member, depth + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check(JsonValue::parse({reinterpret_cast<const char*>(data), size}), 1);
  } catch (const PermError& e) {
    if (!is_utf8(e.text()) && is_utf8({reinterpret_cast<const char*>(data), size})) std::abort();
  }
  return 0;
}

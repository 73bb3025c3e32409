// The environment, as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hato {

// nullopt when unset; an empty value is a value (RELAYCLIENT="" relays).
std::optional<std::string> env(const char* name);
std::string env_or(const char* name, std::string_view fallback);
void set_env(const char* name, std::string_view value);  // throws TempError when memory is out
void unset_env(const char* name);

}  // namespace hato

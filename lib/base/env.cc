#include "lib/base/env.h"

#include <stdlib.h>

#include "lib/base/error.h"

namespace hato {

std::optional<std::string> env(const char* name) {
  const char* value = getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string env_or(const char* name, std::string_view fallback) {
  const char* value = getenv(name);
  return std::string(value == nullptr ? fallback : std::string_view(value));
}

void set_env(const char* name, std::string_view value) {
  if (setenv(name, std::string(value).c_str(), 1) != 0) throw_errno("setenv");
}

void unset_env(const char* name) {
  unsetenv(name);
}

}  // namespace hato

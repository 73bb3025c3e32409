// What descriptor 3 of the checkpassword interface carries (cr.yp.to/checkpwd/interface.html): login name NUL
// password NUL timestamp NUL, perhaps more, 512 bytes at most.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/secret.h"

namespace hato {

constexpr std::size_t credentials_limit = 512;

struct Credentials {
  Secret login;
  Secret password;
  std::string timestamp;  // "<pid.time@host>" from qmail-popup: APOP's challenge
};

// nullopt: not three strings with a NUL behind each. Empty strings are strings.
std::optional<Credentials> parse_credentials(std::string_view data);

}  // namespace hato

// Logins of system accounts: /etc/passwd and /etc/shadow through NSS, hashes through crypt(3). The answer is
// a value: whoever asks decides what to do with it (checkpassword becomes the user).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/process.h"

namespace hato {

// The fields of shadow(5) that say whether an account may be used, in days since 1970; -1: not set.
struct ShadowDates {
  std::int64_t last_change = -1;  // 0: the password must be changed at the next login
  std::int64_t maximum = -1;      // days a password lives
  std::int64_t inactive = -1;     // days it may still be used after that
  std::int64_t expires = -1;      // the account's last day is the one before
};
bool account_expired(const ShadowDates& dates, std::int64_t today);

// The account when login and password belong together and it may be used: not locked, not expired, not uid 0.
// nullopt: refused, for whatever reason; an unknown login takes as long as a wrong password. Throws TempError
// when the account files cannot be read.
std::optional<User> check_system_account(const std::string& login, std::string_view password);

}  // namespace hato

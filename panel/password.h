// Passwords, by way of qmail-authd(8), which slows down guessing by address and account.
#pragma once

#include <string>

#include "lib/base/secret.h"

namespace hato::panel {

enum class PasswordVerdict { right, wrong, later };

// client: the browser's address. later: qmail-authd cannot be asked, or says so.
PasswordVerdict check_password(const std::string& login, const Secret& password, const std::string& client);

struct PasswordChange {
  PasswordVerdict verdict;
  std::string sentence;  // why the new one is not taken; empty: the old one is wrong
};
PasswordChange change_password(const std::string& login, const Secret& old_password,
                               const Secret& new_password, const std::string& client);

}  // namespace hato::panel

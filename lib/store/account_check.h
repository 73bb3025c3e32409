// May these be the fields of an account or a contract? Pure; what other accounts have is
// lib/store/account_table.h's business, what the system has is qmail-account's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/accounts.h"

namespace hato {

inline constexpr std::size_t max_login_name = 64;  // bytes before "@"
inline constexpr std::size_t max_login = 255;      // bytes: it is the name of a directory in control/dotdir
inline constexpr std::size_t max_account_path = 1024;  // bytes of home, mailbox and a contract's directories
inline constexpr std::size_t max_contract_name = 64;
inline constexpr std::size_t max_own_domains = 1000;
inline constexpr std::size_t max_contract_directories = 1000;

// Each: nullopt when all is well, else a sentence without a full stop that says what is wrong and what is
// allowed.
using Refusal = std::optional<std::string>;

// conf-users: no login of anybody's, and mail is delivered with the rights of none.
std::vector<std::string> suite_users();

// A name: ASCII letters in lower case, digits, "." "_" "-" "+" and what is not ASCII; not "." or "-" first,
// no "..". An address: such a name, "@", a domain. Logins that mean something else in mail are reserved.
Refusal refuse_login(std::string_view login);
// A domain in its canonical form, with a dot, no address literal.
Refusal refuse_domain(std::string_view domain);
// Absolute, no component that is empty, "." or "..", no control character; one slash may be at the end of a
// mailbox.
Refusal refuse_directory(std::string_view path);
// "./NAME", "./NAME/", or an absolute path.
Refusal refuse_mailbox(std::string_view mailbox);
Refusal refuse_contract_name(std::string_view name);
// A new password: 1 to max_password bytes, UTF-8, no control characters. (checkpassword's descriptor 3 has
// 512 bytes for login, password and timestamp together.)
inline constexpr std::size_t max_password = 128;
Refusal refuse_password(std::string_view password);

Refusal refuse_account(const Account& account);  // all of the above, uid and gid
Refusal refuse_contract(const Contract& contract);

}  // namespace hato

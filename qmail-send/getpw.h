// What qmail-getpw decides, apart from how it asks the system: qmail-getpw(8).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/store/users.h"

namespace hato {

// Names longer than this are not looked up (useradd's own limit); users/assign can name them. It also bounds
// how many look-ups one address with many dashes costs.
constexpr std::size_t getpw_name_limit = 32;
constexpr std::size_t getpw_entry_limit = 1U << 20;  // an account with more text than this is an error
// What getpw may print: home and address, with room.
constexpr std::size_t getpw_answer_limit = 16384;

// Exit codes besides 0, 100 (usage) and 111; all temporary.
constexpr int getpw_home = 115;      // a home could not be looked at: NFS
constexpr int getpw_no_alias = 116;  // nobody, and no alias account either
constexpr int getpw_system = 118;    // the account database does not answer

class GetpwError : public Error {
 public:
  GetpwError(int code, std::string text) : Error(code, std::move(text)) {}
};

struct SystemAccounts {
  std::function<std::optional<User>(const std::string& name)> account;      // nullopt: no such account
  std::function<std::optional<uid_t>(const std::string& directory)> owner;  // nullopt: not there, not visible
};

// The account whose name is the whole local part, or the longest part of it before a break character
// (conf::break_chars), in lower case; it must have a uid other than 0 and own its home. Otherwise alias with
// dash "-" and the whole local part. alias' home is always HOME/alias. Returns the record of
// lib/store/users.h with its final NUL. Throws GetpwError.
std::string getpw_answer(std::string_view local, const SystemAccounts& accounts);

}  // namespace hato

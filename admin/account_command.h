// qmail-account's command line (qmail-account(8)). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/store/accounts.h"

namespace hato {

enum class AccountVerb {
  add,
  set,
  passwd,
  remove,
  list,
  show,
  import_lines,
  export_lines,
  contract_add,
  contract_set,
  contract_remove,
  contract_list,
  contract_show
};

// What options say of an account's fields; what is not there stays.
struct AccountChange {
  std::optional<std::uint32_t> uid, gid;
  std::optional<std::string> home, mailbox, contract;
  std::optional<std::uint64_t> quota_bytes, quota_messages;
  std::vector<std::string> new_domains, old_domains;  // canonical where they have such a form
  std::vector<std::pair<bool Account::*, bool>> flags;

  // Throws PermError for a domain to be taken away that the account does not have.
  void apply_to(Account& account) const;
};

struct ContractChange {
  std::optional<std::uint64_t> quota_bytes;
  std::optional<Contract::Kind> kind;
  std::uint32_t id = 0;  // with a kind
  std::vector<std::string> new_directories, old_directories;

  void apply_to(Contract& contract) const;  // PermError as above
};

// What is done about the secrets.
struct PasswordChange {
  enum class From : std::uint8_t {
    nowhere,
    password,
    hash
  } from = From::nowhere;  // the first line of the input
  bool shared = false;     // the password is for APOP and CRAM-MD5, too
  bool no_shared = false;  // these are refused from now on
  bool lock = false, unlock = false;
  bool old = false;  // the old password comes first, in a line of its own, and must be right

  bool empty() const { return from == From::nowhere && !no_shared && !lock && !unlock; }
};

struct AccountCommand {
  AccountVerb verb = AccountVerb::list;
  bool json = false;
  std::string name;  // login or contract: canonical login, contract as given
  AccountChange account;
  ContractChange contract;
  PasswordChange password;
  std::string as_user;   // add, set --user: uid and gid are his
  bool system = false;   // add --system: uid, gid and home are those of the system's user of that name
  bool create = false;   // add, set --create: the home and the Maildir are made
  bool secrets = false;  // export --secrets
  bool update = false;   // import --update
};

// words: without the program's name. Throws PermError with a sentence for what cannot be meant.
AccountCommand parse_account_command(const std::vector<std::string>& words);
const char* account_verb_name(AccountVerb verb);

// "1000", "10K", "10M", "2G", "1T" (powers of 1024), "none" (0). PermError: none of these.
std::uint64_t parse_quota_size(std::string_view text);

}  // namespace hato

// The one writer of users/accounts.cdb and users/secrets.cdb: qmail-account(8) and qmail-passwdd(8). Who
// holds one holds the lock users/accounts.lock; changes are gathered in memory and come into the files by
// commit().
//
// A change that touches both files replaces the secrets first. So whatever power cut or kill comes between
// the two, what a reader finds fails closed: a new account's secret without the account (nobody), or an
// account without a secret (nobody can log in). A secret that an interrupted change left behind is dropped
// when its login is added anew, or at the next change of the secrets.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "lib/base/fd.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"

namespace hato {

class AccountTable {
 public:
  struct Owner {
    uid_t uid;
    gid_t gid;
  };
  // users: the directory. secrets_owner: whose secrets.cdb becomes (mode 0400); none: the caller's. Waits a
  // minute for the lock, then throws TempError.
  AccountTable(const std::string& users, std::optional<Owner> secrets_owner);

  // As they will be after commit(). login: canonical.
  std::optional<Account> account(const std::string& login);
  std::optional<Contract> contract(const std::string& name);
  AccountSecret secret(const std::string& login);  // empty when there is none

  // Throws PermError when refuse_account has something to say, when a domain is another account's or has
  // logins NAME@domain, or when the contract is not there. A login that is new begins without a secret.
  void put(const Account& account);
  void put_secret(const std::string& login, AccountSecret secret);  // the account must be there
  void put(const Contract& contract);
  // With its secret. PermError: no such account.
  void remove(const std::string& login);
  // PermError: no such contract, or an account has it (this looks at every account).
  void remove_contract(const std::string& name);

  std::uint64_t next_generation() const { return generation_ + 1; }
  bool changed() const { return !accounts_.empty() || !secrets_.empty() || !contracts_.empty(); }
  // Makes the changes last; once. Throws SystemError (disk full) with nothing changed, or the secrets alone.
  void commit();

 private:
  std::optional<std::string> owner_of(const std::string& domain);
  bool has_logins_in(const std::string& domain);
  void check_domains(const Account& account);
  void forget_domains(const std::string& login);
  void write_secrets();
  void write_accounts();

  std::string accounts_path_, secrets_path_;
  std::optional<Owner> secrets_owner_;
  Fd lock_;
  std::optional<Cdb> old_accounts_, old_secrets_;
  std::uint64_t generation_ = 0;
  // What changes; nothing in the optional: goes away.
  std::map<std::string, std::optional<Account>> accounts_;
  std::map<std::string, std::optional<AccountSecret>> secrets_;
  std::map<std::string, std::optional<Contract>> contracts_;
  std::unordered_map<std::string, std::string> domains_;          // own domains of accounts that change
  std::unordered_map<std::string, std::size_t> address_domains_;  // logins in them, of accounts that change
};

// Every account (or contract) of a file, in no order, for lists. A record that is none throws TempError. No
// file: none.
void for_each_account(const std::string& accounts_path, const std::function<void(const Account&)>& take);
void for_each_contract(const std::string& accounts_path, const std::function<void(const Contract&)>& take);

}  // namespace hato

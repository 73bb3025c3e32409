// Whose rules an account's are, and where they lie.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "lib/mail/dotfile.h"
#include "lib/store/accounts.h"
#include "lib/store/control.h"

namespace hato {

struct RuleAccount {
  std::string login;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string directory;  // of the dot-files
  std::string mailbox;    // "./Maildir/"
  // The directory is one of control/dotdir's, so the panel's user writes it; else the account's does.
  std::optional<Confinement> confinement;

  bool panel() const { return confinement.has_value(); }
  const Confinement* limits() const { return confinement ? &*confinement : nullptr; }
};

// An account of users/accounts.cdb; the user alias, whose dot-files stay in HOME/alias; or, unless
// control/systemusers is 0, a user of /etc/passwd with a uid other than 0. Throws PermError when there is no
// such account, TempError and SystemError when that cannot be told.
RuleAccount find_rule_account(const Control& control, Accounts& accounts, const std::string& login);

// control/dotdir: absolute, or nothing. TempError: it is neither.
std::optional<std::string> dot_directory(const Control& control);

}  // namespace hato

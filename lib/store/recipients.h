// Whose a local recipient is: users/cdb, the accounts (lib/store/accounts.h) and the system's users, for all
// who have to know: qmail-lspawn, qmail-rcptd, qmail-dot. Sources: qmail-lspawn(8), qmail-users(5).
//
// In this order:
//   1. users/cdb, by the local part; in a domain of logins by the whole address. An assignment there is the
//      operator's own and wins, but for the wildcard that is for everything.
//   2. Below a domain of control/subdomains, and in an account's own domain, where the operator's files say
//      nothing: the account that the router has put in front, and nobody else, so nobody gets the mail for
//      abc-info@abc.pobox.example by calling himself "abc-info". It takes any extension. Unknown: no such
//      mailbox.
//   3. In a domain of logins NAME@domain: that login, or the longest before a separator (conf::break_chars).
//      It takes any extension. Unknown, in a domain that is not in locals: no such mailbox.
//   4. In the domains of locals and virtualdomains: the account whose login the local part is, or the longest
//      before a separator.
//   5. users/cdb's wildcard for everything; else, unless control/systemusers is 0, what qmail-getpw(8) says;
//      else alias.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "lib/base/process.h"
#include "lib/mail/router.h"
#include "lib/store/accounts.h"
#include "lib/store/control.h"
#include "lib/store/control_watch.h"
#include "lib/store/users.h"

namespace hato {

struct LocalUser {
  Assignment to;
  std::optional<Account> account;  // of to.user, when it has that uid
  bool any = false;                // without a rule the mailbox takes the extension

  bool operator==(const LocalUser&) const = default;
};

// qmail-getpw's word is missing: whoever cannot ask it does not know.
struct AskGetpw {
  std::string local;               // its argument
  std::optional<std::string> ext;  // set: `local` must be a user's whole name, and this is the extension

  bool operator==(const AskGetpw&) const = default;
};

struct NoMailbox {  // "no mailbox here by that name"
  bool operator==(const NoMailbox&) const = default;
};

using Resolution = std::variant<LocalUser, AskGetpw, NoMailbox>;

class Recipients {
 public:
  // home: conf::home, but in tests. Control files that change are noticed within a second, users/cdb and
  // accounts.cdb at once. alias is looked up in /etc/passwd here, once.
  explicit Recipients(const std::string& home);
  Recipients();
  Recipients(const Recipients&) = delete;
  Recipients& operator=(const Recipients&) = delete;

  // local, domain: what stands before and behind the last @ of a recipient that was routed
  // (lib/mail/router.h). Throws TempError and SystemError for a table or a control file that cannot be read,
  // and when alias is wanted and does not exist.
  Resolution find(std::string_view local, std::string_view domain);
  // With qmail-getpw's answer to what find() asked.
  Resolution answered(const AskGetpw& asked, const Assignment& answer);

 private:
  void refresh();
  Resolution of_owner(std::string_view login, std::string_view local);
  Resolution of_login(std::string_view local, const std::string& domain);
  Resolution plain(std::string_view local, const std::string& domain, ByHand by_hand);
  std::optional<LocalUser> longest_login(std::string_view local, const std::string& at_domain, bool any);
  LocalUser assigned(Assignment to, bool any);
  LocalUser to_alias(std::string_view local) const;

  Control control_;
  std::string home_;
  ControlWatch watch_;
  std::uint64_t seen_ = 0;
  std::optional<Router> router_;
  bool system_users_ = true;
  Users users_;
  Accounts accounts_;
  std::optional<User> alias_;
};

// What the user gets for a default delivery: his account's mailbox, or `otherwise`.
std::string default_delivery_of(const LocalUser& user, const std::string& otherwise);
// $QMAILACCOUNT for qmail-local (lib/store/accounts.h): "" when nothing is to be said. One who takes any
// extension and is in no table is described by his assignment, with this default delivery for a mailbox.
std::string account_variable_of(const LocalUser& user, const std::string& default_delivery);

}  // namespace hato

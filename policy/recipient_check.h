// Does a recipient exist, and is there room? What qmail-local would find, by the same code:
// lib/mail/router.h, lib/store/recipients.h, lib/store/orders.h, lib/store/quota.h.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/router.h"
#include "lib/net/policy.h"
#include "lib/store/accounts.h"
#include "lib/store/contract_use.h"
#include "lib/store/control.h"
#include "lib/store/control_watch.h"
#include "lib/store/quota.h"
#include "lib/store/recipients.h"

namespace hato {

// The actions of qmail-rcptd (lib/net/policy.h), besides closed_reply of lib/mail/closed_address.h.
inline constexpr std::string_view rcptd_go_on = "DUNNO";
inline constexpr std::string_view rcptd_no_mailbox = "550 5.1.1 sorry, no mailbox here by that name (#5.1.1)";
inline constexpr std::string_view rcptd_mailbox_full = "452 4.5.2 sorry, mailbox is full (#4.5.2)";

class RecipientCheck {
 public:
  // home: conf::home, but in tests. What lies outside of the tables, control files and homes is looked up
  // here.
  explicit RecipientCheck(const std::string& home);

  struct Finding {
    std::string answer;  // whole, with its empty line
    std::string doubt;   // why nothing certain could be found; "" when there is no doubt
  };
  // request=smtpd_access_policy: at any state but RCPT go on; a doubt is "go on", too.
  // request=mailbox_use: how full the mailbox of "account" is, for those who may know (man/qmail-rcptd.8).
  // asker: the uid of the process that asks. Throws nothing but std::bad_alloc.
  Finding check(const PolicyRequest& request, uid_t asker);

 private:
  std::string recipient(const PolicyRequest& request);
  std::string use_answer(const std::string& login, uid_t asker);
  // What the mailbox of an account holds. Throws TempError when that cannot be known.
  QuotaUse use_of(const Account& account, int home, const QuotaUse& coming);
  // Whether a message of so many bytes fits into the mailbox, and into the account's contract.
  bool has_room(const Account& account, int home, std::uint64_t bytes);
  const Router& router();

  Control control_;
  ControlWatch watch_;
  std::uint64_t seen_ = 0;
  std::optional<Router> router_;
  Recipients recipients_;
  Accounts accounts_;
  ContractUses contract_uses_;
  std::vector<uid_t> may_know_all_;  // root, the panel's user, and our own
};

}  // namespace hato

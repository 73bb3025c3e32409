// The requests that qmail-dot and qmail-dotd carry out: one JSON object in, one out (qmail-dot(8), JSON).
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>

#include "admin/address_walk.h"
#include "admin/rule_account.h"
#include "lib/mail/json_value.h"
#include "lib/store/accounts.h"
#include "lib/store/control.h"
#include "lib/store/current_cdb.h"

namespace hato {

inline constexpr std::size_t max_rule_request = 256U << 10;  // bytes of a request
inline constexpr std::int64_t default_dotmaxforwards = 10;   // control/dotmaxforwards
inline constexpr std::int64_t default_dotmaxrules = 1000;    // control/dotmaxrules: dot-files of one account

// In whose name a request is carried out.
struct RuleAsker {
  bool any_account = false;  // root, qmailc, those of control/panels
  uid_t uid = 0;             // else: the account that has this uid, when no other has it
};

class RuleRequests {
 public:
  explicit RuleRequests(AddressWalk::Getpw getpw)
      : owners_(std::string(conf_accounts())), walk_(control_, std::move(getpw)) {}

  // Every failure, a request that is none included, becomes an answer. Without an LF.
  std::string answer(std::string_view request, const RuleAsker& asker);

 private:
  static std::string conf_accounts();
  std::string carried_out(const JsonValue& request, const RuleAsker& asker);
  RuleAccount account_for(const std::string& login, const RuleAsker& asker);
  bool shares_uid(const std::string& login, uid_t uid);
  std::string get(const RuleAccount& account, const std::string& ext);
  std::string list(const RuleAccount& account);
  std::string set(const RuleAccount& account, const std::string& ext, const JsonValue& rule);
  std::string remove(const RuleAccount& account, const std::string& ext);
  std::string test(const std::string& address, const RuleAsker& asker);

  Control control_;
  Accounts accounts_;
  CurrentCdb owners_;
  std::map<uid_t, std::size_t> accounts_of_uid_;  // of owners_
  AddressWalk walk_;
};

// {"ok":false,...}. code: 100 or 111.
std::string rule_refusal(int code, std::string_view text, std::string_view field = "");

}  // namespace hato

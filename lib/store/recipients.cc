#include "lib/store/recipients.h"

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/mail/domain.h"
#include "lib/store/routing.h"

namespace hato {

namespace {

// The rest of LOGIN-REST; nullopt: it is not such a one. The router puts logins and A-labels in front as they
// are.
std::optional<std::string_view> after_login(std::string_view local, std::string_view login) {
  if (login.empty() || !local.starts_with(login) || local.size() == login.size()) return std::nullopt;
  if (local[login.size()] != '-') return std::nullopt;
  return local.substr(login.size() + 1);
}

LocalUser of(Account account, std::string_view dash, std::string_view ext, bool any) {
  LocalUser user;
  user.to = {account.login, account.uid, account.gid, account.home, std::string(dash), std::string(ext)};
  user.account = std::move(account);
  user.any = any;
  return user;
}

bool is_break(char c) {
  return std::string_view(conf::break_chars).find(c) != std::string_view::npos;
}

}  // namespace

Recipients::Recipients(const std::string& home)
    : control_(home),
      home_(home),
      watch_(control_),
      users_(home + "/users/cdb"),
      accounts_(home + accounts_file),
      alias_(passwd_user(std::string(conf::user_alias))) {
  try {
    refresh();  // so that there is something to go on with, should the files become unreadable
  } catch (const SystemError&) {
    // tried again, and told, at the first look-up
  }
}

Recipients::Recipients() : Recipients(conf::home) {}

void Recipients::refresh() {
  const std::uint64_t now = watch_.generation(now_seconds());
  if (router_ && now != 0 && now == seen_) return;
  try {
    RoutingLines lines = read_routing_lines(control_);
    const bool system_users = control_.number("systemusers", 1) != 0;
    router_.emplace(std::move(lines), std::vector<std::string>(), "",
                    [this](const std::string& domain) { return account_domain_in(accounts_, domain); });
    system_users_ = system_users;
  } catch (const SystemError& e) {
    // As qmail-send at SIGHUP: what was read before counts until the files can be read again.
    if (!router_) throw;
    log_line(2, "alert: " + e.text());
  }
  seen_ = now;
}

LocalUser Recipients::assigned(Assignment to, bool any) {
  std::optional<Account> account = accounts_.find(to.user);
  if (account && account->uid != to.uid) account.reset();
  const bool takes_any = any && to.user != conf::user_alias;
  return {std::move(to), std::move(account), takes_any};
}

LocalUser Recipients::to_alias(std::string_view local) const {
  if (!alias_) throw TempError(std::string("user ") + conf::user_alias + " does not exist");
  return {{alias_->name, alias_->uid, alias_->gid, home_ + "/alias", "-", std::string(local)},
          std::nullopt,
          false};
}

// Each login that the local part may begin with, the longest first.
std::optional<LocalUser> Recipients::longest_login(std::string_view local, const std::string& at_domain,
                                                   bool any) {
  for (std::size_t length = local.size(); length > 0; --length) {
    const bool whole = length == local.size();
    if (!whole && !is_break(local[length])) continue;
    std::optional<Account> account = accounts_.find(std::string(local.substr(0, length)) + at_domain);
    if (!account) continue;
    return whole ? of(*std::move(account), "", "", any)
                 : of(*std::move(account), "-", local.substr(length + 1), any);
  }
  return std::nullopt;
}

// LOGIN-EXT where the domain says which login it is.
Resolution Recipients::of_owner(std::string_view login, std::string_view local) {
  const std::optional<std::string_view> ext = after_login(local, login);
  if (!ext) return NoMailbox{};  // the domain has become another's since the message was routed
  if (std::optional<Assignment> to = users_.find_named(local)) return assigned(*std::move(to), true);
  if (std::optional<Account> account = accounts_.find(login)) return of(*std::move(account), "-", *ext, true);
  // A users/cdb with a wildcard for everything has all users in it (qmail-pw2u).
  if (system_users_ && !users_.find(local)) return AskGetpw{std::string(login), std::string(*ext)};
  return NoMailbox{};
}

Resolution Recipients::of_login(std::string_view local, const std::string& domain) {
  const std::string at_domain = "@" + domain;
  if (std::optional<Assignment> to = users_.find_named(std::string(local) + at_domain))
    return assigned(*std::move(to), true);
  if (std::optional<LocalUser> user = longest_login(local, at_domain, true)) return *std::move(user);
  return NoMailbox{};
}

Resolution Recipients::plain(std::string_view local, const std::string& domain, ByHand by_hand) {
  if (std::optional<Assignment> to = users_.find_named(local)) return assigned(*std::move(to), false);
  if (by_hand == ByHand::locals && accounts_.has_logins_in(domain))
    if (std::optional<LocalUser> user = longest_login(local, "@" + domain, true)) return *std::move(user);
  // "info@customer.example"@pobox.example is not info@customer.example; but a line of virtualdomains may name
  // such a login.
  const bool may_be_login = by_hand == ByHand::virtualdomains ||
                            (by_hand == ByHand::locals && local.find('@') == std::string_view::npos);
  if (may_be_login)
    if (std::optional<LocalUser> user = longest_login(local, "", false)) return *std::move(user);
  if (std::optional<Assignment> to = users_.find(local)) return assigned(*std::move(to), false);
  if (system_users_) return AskGetpw{std::string(local), std::nullopt};
  return to_alias(local);
}

Resolution Recipients::find(std::string_view local, std::string_view domain_as_written) {
  refresh();
  const std::string domain = canonical_domain(domain_as_written);
  const ByHand by_hand = router_->by_hand(local, domain);
  if (by_hand != ByHand::no) return plain(local, domain, by_hand);
  const std::optional<AccountDomain> account = router_->account_domain(domain);
  if (!account) return plain(local, domain, by_hand);
  return account->owner.empty() ? of_login(local, domain) : of_owner(account->owner, local);
}

Resolution Recipients::answered(const AskGetpw& asked, const Assignment& answer) {
  if (!asked.ext) return assigned(answer, false);
  // Somebody else, to whom the name is an extension, or alias, to whom every name is one.
  if (!answer.dash.empty() || answer.user == conf::user_alias) return NoMailbox{};
  Assignment to = answer;
  to.dash = "-";
  to.ext = *asked.ext;
  return assigned(std::move(to), true);
}

std::string default_delivery_of(const LocalUser& user, const std::string& otherwise) {
  return user.account ? user.account->mailbox : otherwise;
}

std::string account_variable_of(const LocalUser& user, const std::string& default_delivery) {
  if (user.account) return encode_account_variable(*user.account, user.any);
  if (!user.any) return "";
  Account account;
  account.login = user.to.user;
  account.uid = user.to.uid;
  account.gid = user.to.gid;
  account.home = user.to.home;
  account.mailbox = default_delivery;
  return encode_account_variable(account, true);
}

}  // namespace hato

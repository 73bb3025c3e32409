#include "admin/rule_account.h"

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"

namespace hato {

namespace {

// Without an account nobody but qmail-start's caller knows the default delivery.
constexpr char usual_mailbox[] = "./Maildir/";

RuleAccount of_user(const User& user, const std::string& home) {
  return {user.name, user.uid, user.gid, home, usual_mailbox, std::nullopt};
}

bool names_directory(const std::string& login) {
  return !login.empty() && login.front() != '.' && login.find('/') == std::string::npos &&
         login.find('\0') == std::string::npos;
}

}  // namespace

std::optional<std::string> dot_directory(const Control& control) {
  std::optional<std::string> dotdir = control.line("dotdir");
  if (!dotdir || dotdir->empty()) return std::nullopt;
  if (!dotdir->starts_with('/')) throw TempError("control/dotdir is not an absolute path");
  return dotdir;
}

RuleAccount find_rule_account(const Control& control, Accounts& accounts, const std::string& login) {
  const PermError unknown("there is no account of that name");
  if (!names_directory(login)) throw unknown;
  if (login == conf::user_alias) {
    const std::optional<User> alias = passwd_user(login);
    if (!alias) throw TempError("user " + login + " does not exist; make install creates it");
    return of_user(*alias, std::string(conf::home) + "/alias");
  }
  RuleAccount found;
  bool programs = false;
  std::string home;
  if (const std::optional<Account> account = accounts.find(login)) {
    found = {account->login, account->uid, account->gid, account->home, account->mailbox, std::nullopt};
    programs = account->programs;
    home = account->home;
  } else {
    if (control.number("systemusers", 1) == 0) throw unknown;
    const std::optional<User> user = passwd_user(login);
    if (!user || user->uid == 0) throw unknown;
    found = of_user(*user, user->home);
    home = user->home;
  }
  if (!names_directory(found.login)) throw unknown;
  if (const std::optional<std::string> dotdir = dot_directory(control)) {
    found.directory = *dotdir + "/" + found.login;
    found.confinement = Confinement{programs, home, found.mailbox};
  }
  return found;
}

}  // namespace hato

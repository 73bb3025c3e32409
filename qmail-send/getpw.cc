#include "qmail-send/getpw.h"

#include "lib/base/conf.h"

namespace hato {

namespace {

std::string home_of(const User& user) {
  return user.name == conf::user_alias ? std::string(conf::home) + "/alias" : user.home;
}

std::string answer(const User& user, std::string_view dash, std::string_view ext) {
  return encode_assignment(
             {user.name, user.uid, user.gid, home_of(user), std::string(dash), std::string(ext)}) +
         '\0';
}

bool is_break(char c) {
  return std::string_view(conf::break_chars).find(c) != std::string_view::npos;
}

}  // namespace

std::string getpw_answer(std::string_view local, const SystemAccounts& accounts) {
  for (std::size_t length = local.size(); length > 0; --length) {
    const bool whole = length == local.size();
    if (length > getpw_name_limit || (!whole && !is_break(local[length]))) continue;
    const std::optional<User> user = accounts.account(lower_ascii(local.substr(0, length)));
    if (!user || user->uid == 0 || accounts.owner(home_of(*user)) != user->uid) continue;
    return whole ? answer(*user, "", "") : answer(*user, "-", local.substr(length + 1));
  }
  const std::optional<User> alias = accounts.account(conf::user_alias);
  if (!alias) throw GetpwError(getpw_no_alias, std::string("no account ") + conf::user_alias);
  return answer(*alias, "-", local);
}

}  // namespace hato

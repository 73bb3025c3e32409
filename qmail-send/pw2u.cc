#include "qmail-send/pw2u.h"

#include <algorithm>
#include <charconv>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/store/users.h"

namespace hato {

namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::set<std::string>> lower_set(const std::optional<std::vector<std::string>>& names) {
  if (!names) return std::nullopt;
  std::set<std::string> set;
  for (const std::string& name : *names) set.insert(lower_ascii(name));
  return set;
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

// A uid as far as it is one; an account whose uid is no number is passed over like root's.
uid_t number(std::string_view text) {
  uid_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

}  // namespace

void Pw2uRules::set_mailnames(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    std::vector<std::string> names = split(line, ':');
    if (names.size() < 2) continue;
    const std::string user = lower_ascii(names.front());
    names.erase(names.begin());
    std::erase(names, "");
    mailnames[user] = std::move(names);
  }
}

Pw2u::Pw2u(Pw2uRules rules)
    : rules_(std::move(rules)), include_(lower_set(rules_.include)), exclude_(lower_set(rules_.exclude)) {}

bool Pw2u::wanted(const std::string& user, std::string_view uid, const std::string& home) const {
  if (number(uid) == 0) return false;
  if (!rules_.upper && std::any_of(user.begin(), user.end(), is_upper)) return false;
  if (include_ && !include_->contains(lower_ascii(user))) return false;
  if (exclude_ && exclude_->contains(lower_ascii(user))) return false;
  if (rules_.home == HomeRule::any) return true;
  const std::optional<uid_t> owner = rules_.owner(home);
  if (!owner && rules_.home == HomeRule::stop_missing)
    throw TempError("fatal: unable to stat " + home + ": it does not exist");
  return owner == number(uid);
}

std::string Pw2u::account(std::string_view line) {
  if (line.find('\0') != std::string_view::npos) return "";
  const std::vector<std::string> fields = split(line, ':');
  if (fields.size() < 7) return "";
  const std::string& user = fields[0];
  const bool alias = user == conf::user_alias;
  const std::string home = alias ? std::string(conf::home) + "/alias" : fields[5];
  if (!wanted(user, fields[2], home)) return "";

  const std::string to = ":" + user + ":" + fields[2] + ":" + fields[3] + ":" + home + ":";
  users_[lower_ascii(user)] = to;
  std::string lines;
  if (alias) {
    lines += "+" + to + rules_.dash + "::\n";
    saw_alias_ = true;
  }
  const auto mailnames = rules_.mailnames.find(lower_ascii(user));
  const std::vector<std::string> names =
      mailnames == rules_.mailnames.end() ? std::vector<std::string>{user} : mailnames->second;
  for (const std::string& name : names) {
    lines += "=" + name + to + "::\n";
    for (char c : rules_.break_chars) lines += "+" + name + c + to + rules_.dash + "::\n";
  }
  return lines;
}

std::string Pw2u::subuser(std::string_view line) const {
  const std::vector<std::string> fields = split(line, ':');
  if (fields.size() < 4) return "";
  const auto user = users_.find(lower_ascii(fields[1]));
  if (user == users_.end())
    throw TempError("fatal: unable to find " + fields[1] + " user for subuser " + fields[0]);
  std::string lines = "=" + fields[0] + user->second + rules_.dash + ":" + fields[2] + ":\n";
  for (char c : rules_.break_chars)
    lines += "+" + fields[0] + c + user->second + rules_.dash + ":" + fields[2] + "-:\n";
  return lines;
}

}  // namespace hato

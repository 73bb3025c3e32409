// Assignments from accounts: what qmail-pw2u makes of each line of a passwd file. qmail-pw2u(8).
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

enum class HomeRule {
  skip_missing,  // skip accounts whose home is missing or not theirs
  stop_missing,  // stop at a missing home, skip one that is not theirs
  any,           // do not look
};

struct Pw2uRules {
  std::string dash = "-";   // "-/" with -/
  std::string break_chars;  // each one gets its wildcard line; empty: none
  HomeRule home = HomeRule::skip_missing;
  bool upper = false;                               // accounts with upper case letters count
  std::optional<std::vector<std::string>> include;  // names in these lists: without regard to case
  std::optional<std::vector<std::string>> exclude;
  std::map<std::string, std::vector<std::string>> mailnames;  // key in lower case
  // Owner of a home, nullopt when it is missing; what it throws, Pw2u passes on.
  std::function<std::optional<uid_t>(const std::string& home)> owner;

  // Lines USER:NAME:NAME...; of two for one user the later counts; one without a colon is ignored.
  void set_mailnames(const std::vector<std::string>& lines);
};

class Pw2u {
 public:
  explicit Pw2u(Pw2uRules rules);

  // The assignment lines (LF-ended, possibly none) for a line user:password:uid:gid:gecos:home:shell.
  std::string account(std::string_view line);
  bool saw_alias() const { return saw_alias_; }
  // For a line sub:user:pre: of users/subusers, after all accounts. Throws TempError when there is no such
  // user; a line with fewer than three colons is ignored.
  std::string subuser(std::string_view line) const;

 private:
  bool wanted(const std::string& user, std::string_view uid, const std::string& home) const;

  Pw2uRules rules_;
  std::optional<std::set<std::string>> include_, exclude_;
  std::map<std::string, std::string> users_;  // name in lower case -> ":user:uid:gid:home:"
  bool saw_alias_ = false;
};

}  // namespace hato

// The dot-files of one account as a panel's tool changes them: DOTDIR/ACCOUNT/ (control/dotdir), or the
// home. A file is replaced as a whole and durably, under a lock, so that no reader and no crash ever sees
// half of one, and of two writers the later one has read what the earlier one wrote.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"

namespace hato {

inline constexpr std::size_t rule_file_limit = 1U << 20;  // bytes; a longer dot-file is edited by hand
inline constexpr std::size_t max_extension = 200;         // bytes
inline constexpr std::int64_t rule_lock_seconds = 5;

// ".qmail-foo" for "foo", ".qmail" for ""; nullopt: an extension that the tool does not write files for: with
// a slash or a control character, not UTF-8, or over max_extension.
std::optional<std::string> rule_file_name(std::string_view ext);
// The extension of a dot-file's name (colons are dots); nullopt: not what rule_file_name makes.
std::optional<std::string> rule_extension(std::string_view name);

struct RuleFile {
  std::string text;
  bool forward_only = false;  // the execute bit
};

class RuleDirectory {
 public:
  // panel: the directory is one of control/dotdir's: new files are readable by its group. Throws SystemError
  // when it cannot be opened; without one (ENOENT) the object has no rules, and cannot be written to.
  RuleDirectory(std::string path, bool panel);

  bool exists() const { return static_cast<bool>(directory_); }
  const std::string& path() const { return path_; }

  // Held until it goes. Throws TempError when somebody else has it for rule_lock_seconds.
  Fd lock() const;

  // nullopt: no such file. Throws TempError for one that is no plain file or over rule_file_limit.
  std::optional<RuleFile> read(const std::string& name) const;
  // The names that rule_extension knows, sorted.
  std::vector<std::string> names() const;
  // Only with the lock.
  void write(const std::string& name, const RuleFile& file) const;
  bool remove(const std::string& name) const;  // false: there was none

 private:
  std::string path_;
  bool panel_;
  Fd directory_;
};

// DOTDIR, made by root when it is not there: the panel's, mode 0711, so that nobody can list the accounts.
// One that is there stays as it is. While it is made it is called DOTDIR.new. Throws SystemError.
void make_rule_directories(const std::string& dotdir, uid_t panel_uid, gid_t panel_gid);
// DOTDIR/ACCOUNT, made by root for an account when it is not there, and mended: owner the panel's user, group
// the account's gid, mode 02750 (the panel cannot give its files away; so they get the group from the
// directory). It lasts after sync_rule_directories. Throws PermError for a login that names no directory,
// SystemError.
void make_rule_directory(const std::string& dotdir, std::string_view login, gid_t gid, uid_t panel_uid);
// When an account has another gid: DOTDIR/ACCOUNT as above, and the panel's files in it, get that group.
// Without such a directory nothing is done. Throws as above.
void regroup_rules(const std::string& dotdir, std::string_view login, gid_t gid, uid_t panel_uid);
// Takes DOTDIR/ACCOUNT away from whoever has this login next: renamed to DOTDIR/.ACCOUNT.20261123T193000Z (no
// login begins with a dot), root's alone; one without dot-files is removed. Returns the new path; nullopt:
// there were no rules. It lasts after sync_rule_directories. Throws as above.
std::optional<std::string> set_rules_aside(const std::string& dotdir, std::string_view login,
                                           std::int64_t now_seconds);
// What the three above did is on the disk, for however many accounts. No DOTDIR: nothing to do.
void sync_rule_directories(const std::string& dotdir);

}  // namespace hato

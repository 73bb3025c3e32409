#include "lib/store/rule_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/mail/utf8.h"
#include "lib/store/dotfile.h"

namespace hato {

namespace {

constexpr std::string_view base = ".qmail";
// No extension's file can have these names: a dot in an extension is a colon.
constexpr char lock_name[] = ".qmail-dot.lock";
constexpr char new_name[] = ".qmail-dot.new";

constexpr std::size_t longest_kept_name = 220;  // bytes: what is put around it fits into a name's 255

constexpr mode_t private_mode = 0600, panel_mode = 0640, directory_mode = 02750, dotdir_mode = 0711;

bool is_clean(std::string_view ext) {
  if (ext.size() > max_extension || !is_utf8(ext)) return false;
  for (std::size_t at = 0; at < ext.size();) {
    const char32_t c = next_utf8(ext, at);
    if (c < 32 || (c >= 127 && c < 160) || c == '/') return false;
  }
  return true;
}

// Below DOTDIR.
std::string directory_name(std::string_view login) {
  if (login.empty() || login.starts_with('.') ||
      login.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos)
    throw PermError("\"" + std::string(login) + "\" cannot name a directory");
  return std::string(login);
}

// "20261123T193000Z"
std::string compact_utc(std::int64_t seconds) {
  const time_t when = seconds;
  tm parts{};
  gmtime_r(&when, &parts);
  char text[sizeof "20261123T193000Z"];
  strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

}  // namespace

std::optional<std::string> rule_file_name(std::string_view ext) {
  if (!is_clean(ext)) return std::nullopt;
  return std::string(base) + (ext.empty() ? "" : "-" + safe_extension(ext));
}

std::optional<std::string> rule_extension(std::string_view name) {
  if (name == base) return "";
  if (!name.starts_with(".qmail-") || name.size() == base.size() + 1) return std::nullopt;
  std::string ext(name.substr(base.size() + 1));
  std::replace(ext.begin(), ext.end(), ':', '.');
  if (rule_file_name(ext) != name) return std::nullopt;
  return ext;
}

RuleDirectory::RuleDirectory(std::string path, bool panel) : path_(std::move(path)), panel_(panel) {
  directory_ = try_open(path_, O_RDONLY | O_DIRECTORY | (panel ? O_NOFOLLOW : 0));
  if (!directory_ && errno != ENOENT) throw_errno("open " + path_);
}

Fd RuleDirectory::lock() const {
  // Nobody but its owner may open it: whoever can, could hold it for ever.
  Fd lock = open_file_at(directory_.get(), lock_name, O_RDWR | O_CREAT | O_NOFOLLOW, private_mode);
  const Deadline deadline = Deadline::in_seconds(rule_lock_seconds);
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("lock " + path_);
    if (deadline.passed()) throw TempError("somebody else is changing this account's rules; try again");
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  return lock;
}

std::optional<RuleFile> RuleDirectory::read(const std::string& name) const {
  if (!directory_) return std::nullopt;
  const Fd file = try_open_at(directory_.get(), name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw_errno("open " + path_ + "/" + name);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) throw_errno("look at " + path_ + "/" + name);
  if (!S_ISREG(status.st_mode)) throw TempError(path_ + "/" + name + " is no plain file");
  std::optional<std::string> text = read_all(file.get(), rule_file_limit, path_ + "/" + name);
  if (!text) throw TempError(path_ + "/" + name + " is over 1 MiB: edit it by hand");
  return RuleFile{*std::move(text), (status.st_mode & S_IXUSR) != 0};
}

std::vector<std::string> RuleDirectory::names() const {
  std::vector<std::string> names;
  if (!directory_) return names;
  const Fd fresh = open_file_at(directory_.get(), ".", O_RDONLY | O_DIRECTORY);
  read_directory(fresh.get(), path_, [&](const DirectoryEntry& entry) {
    if (rule_extension(entry.name)) names.emplace_back(entry.name);
  });
  std::sort(names.begin(), names.end());
  return names;
}

void RuleDirectory::write(const std::string& name, const RuleFile& file) const {
  if (unlinkat(directory_.get(), new_name, 0) != 0 && errno != ENOENT)  // of a writer that was killed
    throw_errno("remove " + path_ + "/" + new_name);
  const mode_t mode = (panel_ ? panel_mode : private_mode) | (file.forward_only ? S_IXUSR : 0);
  const mode_t before = umask(0);
  const Fd fresh = try_open_at(directory_.get(), new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  umask(before);
  if (!fresh) throw_errno("make " + path_ + "/" + new_name);
  try {
    write_all(fresh.get(), file.text, path_ + "/" + new_name);
    fsync_fd(fresh.get(), path_ + "/" + new_name);
    if (renameat(directory_.get(), new_name, directory_.get(), name.c_str()) != 0)
      throw_errno("rename " + path_ + "/" + name);
  } catch (const Error&) {
    unlinkat(directory_.get(), new_name, 0);
    throw;
  }
  fsync_fd(directory_.get(), path_);
}

bool RuleDirectory::remove(const std::string& name) const {
  if (unlinkat(directory_.get(), name.c_str(), 0) != 0) {
    if (errno == ENOENT) return false;
    throw_errno("remove " + path_ + "/" + name);
  }
  fsync_fd(directory_.get(), path_);
  return true;
}

void make_rule_directories(const std::string& dotdir, uid_t panel_uid, gid_t panel_gid) {
  struct stat status {};
  if (lstat(dotdir.c_str(), &status) == 0) return;
  if (errno != ENOENT) throw_errno("look at " + dotdir);
  // It appears with its owner and mode or not at all; what a process that was killed has left is used.
  const std::string unfinished = dotdir + ".new";
  if (mkdir(unfinished.c_str(), 0700) != 0 && errno != EEXIST) throw_errno("mkdir " + unfinished);
  const Fd made = open_file(unfinished, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fchown(made.get(), panel_uid, panel_gid) != 0) throw_errno("chown " + unfinished);
  if (fchmod(made.get(), dotdir_mode) != 0) throw_errno("chmod " + unfinished);
  if (renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, dotdir.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != EEXIST) throw_errno("rename " + unfinished);
    rmdir(unfinished.c_str());  // somebody else was quicker
  }
  fsync_directory_of(dotdir);
}

void make_rule_directory(const std::string& dotdir, std::string_view login, gid_t gid, uid_t panel_uid) {
  const std::string name = directory_name(login), path = dotdir + "/" + name;
  const Fd top = open_file(dotdir, O_RDONLY | O_DIRECTORY);
  if (mkdirat(top.get(), name.c_str(), 0700) != 0 && errno != EEXIST) throw_errno("mkdir " + path);
  const Fd own = open_file_at(top.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fchown(own.get(), panel_uid, gid) != 0) throw_errno("chown " + path);
  if (fchmod(own.get(), directory_mode) != 0) throw_errno("chmod " + path);
}

void regroup_rules(const std::string& dotdir, std::string_view login, gid_t gid, uid_t panel_uid) {
  const std::string name = directory_name(login), path = dotdir + "/" + name;
  const Fd own = try_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!own) {
    if (errno == ENOENT) return;
    throw_errno("open " + path);
  }
  make_rule_directory(dotdir, login, gid, panel_uid);  // first: what is written from now on has the new group
  read_directory(own.get(), path, [&](const DirectoryEntry& entry) {
    if (entry.name == lock_name || !entry.name.starts_with(base)) return;
    const Fd file = try_open_at(own.get(), std::string(entry.name), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    struct stat status {};
    // Another's file may be a link that root must not open to anybody.
    if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != panel_uid)
      return;
    if (fchown(file.get(), static_cast<uid_t>(-1), gid) != 0)
      throw_errno("chown " + path + "/" + std::string(entry.name));
  });
  fsync_fd(own.get(), path);
}

std::optional<std::string> set_rules_aside(const std::string& dotdir, std::string_view login,
                                           std::int64_t now_seconds) {
  const std::string name = directory_name(login);
  const Fd top = try_open(dotdir, O_RDONLY | O_DIRECTORY);
  if (!top) {
    if (errno == ENOENT) return std::nullopt;
    throw_errno("open " + dotdir);
  }
  if (const Fd own = try_open_at(top.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
    // The group may be the next customer's before long, and the panel has no more business with it.
    if (fchown(own.get(), 0, 0) != 0) throw_errno("chown " + dotdir + "/" + name);
    if (fchmod(own.get(), S_IRWXU) != 0) throw_errno("chmod " + dotdir + "/" + name);
    for (const char* own_file : {lock_name, new_name}) unlinkat(own.get(), own_file, 0);
    if (unlinkat(top.get(), name.c_str(), AT_REMOVEDIR) == 0) return std::nullopt;  // else it is not empty
  } else if (errno == ENOENT) {
    return std::nullopt;
  }  // else it is no directory, and goes as it is
  const std::string aside = "." + name.substr(0, longest_kept_name) + "." + compact_utc(now_seconds);
  for (int more = 1;; ++more) {
    const std::string to = more == 1 ? aside : aside + "." + std::to_string(more);
    if (renameat2(top.get(), name.c_str(), top.get(), to.c_str(), RENAME_NOREPLACE) == 0)
      return dotdir + "/" + to;
    if (errno != EEXIST) throw_errno("rename " + dotdir + "/" + name + " to " + to);
  }
}

void sync_rule_directories(const std::string& dotdir) {
  // One is enough: a journal takes what was done in the directories before it along.
  if (const Fd top = try_open(dotdir, O_RDONLY | O_DIRECTORY))
    fsync_fd(top.get(), dotdir);
  else if (errno != ENOENT)
    throw_errno("open " + dotdir);
}

}  // namespace hato

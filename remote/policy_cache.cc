#include "remote/policy_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "remote/sts_question.h"

namespace hato {

namespace {

constexpr std::string_view magic = "hato-mtasts 1 ";
constexpr std::size_t max_head = 128;
constexpr std::int64_t day = 86400;
const std::string fresh_file = ".new";  // no domain begins with a dot

}  // namespace

bool CachedPolicy::old(std::int64_t now) const {
  return now - fetched >= std::min(sts_refresh_seconds, policy.max_age / 2);
}

std::optional<CachedPolicy> CachedPolicy::parse(std::string_view file) {
  const std::size_t end = file.find('\n');
  if (!file.starts_with(magic) || end == file.npos || end > max_head) return std::nullopt;
  const std::string_view head = file.substr(magic.size(), end - magic.size());
  const std::size_t blank = head.find(' ');
  if (blank == 0 || blank == head.npos) return std::nullopt;
  CachedPolicy cached;
  cached.id = head.substr(0, blank);
  const std::string_view number = head.substr(blank + 1);
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), cached.fetched);
  if (error != std::errc() || stop != number.data() + number.size() || cached.fetched < 0)
    return std::nullopt;
  std::optional<StsPolicy> policy = parse_sts_policy(file.substr(end + 1));
  if (!policy) return std::nullopt;
  cached.policy = std::move(*policy);
  return cached;
}

PolicyCache::PolicyCache(Fd directory) : directory_(std::move(directory)) {
  read_directory(directory_.get(), "mtasts/cache", [&](const DirectoryEntry& entry) {
    if (is_sts_domain(entry.name)) ++count_;
  });
}

// asked: the file's time.
std::optional<CachedPolicy> PolicyCache::read(const std::string& name, std::int64_t now,
                                              std::int64_t& asked) const {
  const Fd file = try_open_at(directory_.get(), name, O_RDONLY | O_NOFOLLOW);
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw_errno("open mtasts/cache/" + name);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) throw_errno("stat mtasts/cache/" + name);
  asked = status.st_mtim.tv_sec;
  const std::optional<std::string> text =
      read_all(file.get(), max_sts_policy + max_head, "mtasts/cache/" + name);
  std::optional<CachedPolicy> cached = text ? CachedPolicy::parse(*text) : std::nullopt;
  // A clock that went back must not make a policy live longer than its max_age from now.
  if (cached) cached->fetched = std::min(cached->fetched, now);
  return cached;
}

std::optional<CachedPolicy> PolicyCache::find(const std::string& domain, std::int64_t now) {
  std::int64_t asked = 0;
  std::optional<CachedPolicy> cached = read(domain, now, asked);
  if (!cached || !cached->fresh(now)) return std::nullopt;
  const bool stale_time = now - asked >= day || asked > now;
  if (stale_time) utimensat(directory_.get(), domain.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  return cached;
}

bool PolicyCache::store(const std::string& domain, std::string_view id, std::string_view text,
                        std::int64_t now) {
  struct stat status {};
  const bool known = fstatat(directory_.get(), domain.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (!known && count_ >= max_cached_policies) return false;
  const std::string head = std::string(magic) + std::string(id) + ' ' + std::to_string(now) + '\n';
  const Fd file = open_file_at(directory_.get(), fresh_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  write_all(file.get(), head + std::string(text), "mtasts/cache/.new");
  if (known) {  // a refresh is not a question
    const timespec times[2] = {{0, UTIME_OMIT}, status.st_mtim};
    futimens(file.get(), times);
  }
  fsync_fd(file.get(), "mtasts/cache/.new");
  if (renameat(directory_.get(), fresh_file.c_str(), directory_.get(), domain.c_str()) != 0)
    throw_errno("rename to mtasts/cache/" + domain);
  fsync_fd(directory_.get(), "mtasts/cache");
  if (!known) ++count_;
  return true;
}

std::vector<std::string> PolicyCache::sweep(std::int64_t now, std::size_t limit) {
  std::vector<std::string> names, due;
  const Fd fresh = open_file_at(directory_.get(), ".", O_RDONLY | O_DIRECTORY);
  read_directory(fresh.get(), "mtasts/cache", [&](const DirectoryEntry& entry) {
    if (is_sts_domain(entry.name)) names.emplace_back(entry.name);
  });
  count_ = names.size();
  for (const std::string& name : names) {
    std::int64_t asked = 0;
    const std::optional<CachedPolicy> cached = read(name, now, asked);
    if (!cached || !cached->fresh(now)) {
      if (unlinkat(directory_.get(), name.c_str(), 0) == 0) --count_;
    } else if (cached->old(now) && now - asked < sts_forget_seconds && due.size() < limit) {
      due.push_back(name);
    }
  }
  return due;
}

}  // namespace hato

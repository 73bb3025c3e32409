// The MTA-STS policies that qmail-mtastsd knows: a directory with one file a domain, named as the domain.
//
// A file is a line "hato-mtasts 1 ID FETCHED", FETCHED being seconds since 1970, and behind it the policy as
// the domain's server sent it. It is replaced as a whole (written beside, fsync, rename, fsync of the
// directory), so after a crash there is the old one or the new one. Its modification time is when it was
// last asked for, to a day.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"
#include "lib/net/mta_sts.h"

namespace hato {

constexpr std::size_t max_cached_policies = 100000;  // files; when there are more, new domains are not kept
constexpr std::int64_t sts_refresh_seconds =
    86400;  // a policy older than this is fetched again (section 3.3)
constexpr std::int64_t sts_forget_seconds = 30 * 86400;  // not asked for in this time: it may expire

struct CachedPolicy {
  std::string id;
  std::int64_t fetched = 0;  // seconds since 1970
  StsPolicy policy;

  bool fresh(std::int64_t now) const { return now < fetched + policy.max_age; }
  // Older than sts_refresh_seconds, or half its life has gone by.
  bool old(std::int64_t now) const;

  // The text of a file; nullopt: damaged. Pure.
  static std::optional<CachedPolicy> parse(std::string_view file);
};

class PolicyCache {
 public:
  // directory: open for reading; write access to what it holds. Throws SystemError.
  explicit PolicyCache(Fd directory);

  // What is known of a domain and not past its max_age; its file's time is set when it is a day old. Throws
  // SystemError when it cannot be read; a damaged file is none.
  std::optional<CachedPolicy> find(const std::string& domain, std::int64_t now);
  // Durable when it returns. False: the cache is full, and it was not kept. Throws SystemError. id: letters
  // and digits; text: a policy that parses.
  bool store(const std::string& domain, std::string_view id, std::string_view text, std::int64_t now);
  // Goes through all files: removes those that are expired or damaged, and names the domains of those that
  // are old and were asked for lately, at most `limit`.
  std::vector<std::string> sweep(std::int64_t now, std::size_t limit);

  std::size_t size() const { return count_; }

 private:
  std::optional<CachedPolicy> read(const std::string& name, std::int64_t now, std::int64_t& asked) const;

  Fd directory_;
  std::size_t count_ = 0;
};

}  // namespace hato

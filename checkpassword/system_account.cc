#include "checkpassword/system_account.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>

#include <memory>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/password_hash.h"
#include "lib/base/secret.h"

namespace hato {

namespace {

constexpr std::int64_t day_seconds = 86400;
constexpr std::size_t entry_bytes = 16384;  // an entry of passwd or shadow

struct Entry {
  std::optional<User> user;
  std::string hash;  // empty: none
  ShadowDates dates;
};

// NSS says "not found" by 0 and no entry, or by one of these; anything else is a failure to look.
bool means_not_found(int error) {
  return error == 0 || error == ENOENT || error == ESRCH;
}

Entry look_up(const std::string& login) {
  Entry entry;
  const std::unique_ptr<char[]> space(new char[entry_bytes]);
  passwd p;
  passwd* found = nullptr;
  const int error = getpwnam_r(login.c_str(), &p, space.get(), entry_bytes, &found);
  if (found == nullptr && !means_not_found(error)) throw SystemError("look up an account", error);
  if (found != nullptr) {
    entry.user = User{p.pw_name, p.pw_uid, p.pw_gid, p.pw_dir, p.pw_shell};
    entry.hash = p.pw_passwd;
  }
  spwd s;
  spwd* shadow = nullptr;
  const int shadow_error = getspnam_r(login.c_str(), &s, space.get(), entry_bytes, &shadow);
  if (shadow == nullptr && !means_not_found(shadow_error))
    throw SystemError("look up a password", shadow_error);
  if (shadow != nullptr) {
    entry.hash = s.sp_pwdp;
    entry.dates = {s.sp_lstchg, s.sp_max, s.sp_inact, s.sp_expire};
  }
  explicit_bzero(space.get(), entry_bytes);
  return entry;
}

// A hash of the method that accounts of this system have: the first in /etc/shadow that is one.
std::string system_decoy() {
  std::string decoy = decoy_hash;
  FILE* file = fopen("/etc/shadow", "re");
  if (file == nullptr) throw_errno("open /etc/shadow");
  const std::unique_ptr<char[]> space(new char[entry_bytes]);
  spwd s;
  spwd* found = nullptr;
  while (fgetspent_r(file, &s, space.get(), entry_bytes, &found) == 0 && found != nullptr) {
    if (s.sp_pwdp[0] != '$') continue;
    decoy = s.sp_pwdp;
    break;
  }
  fclose(file);
  explicit_bzero(space.get(), entry_bytes);
  return decoy;
}

}  // namespace

bool account_expired(const ShadowDates& dates, std::int64_t today) {
  if (dates.expires >= 0 && today >= dates.expires) return true;
  if (dates.last_change == 0) return true;
  if (dates.last_change < 0 || dates.maximum < 0) return false;
  // As shadow(5) and pam_unix have it: an expired password is good for `inactive` more days, and for login
  // programs that can ask for a new one. We cannot: it ends with the later of the two.
  const std::int64_t last_day = dates.last_change + dates.maximum + (dates.inactive > 0 ? dates.inactive : 0);
  return today > last_day;
}

std::optional<User> check_system_account(const std::string& login, std::string_view password) {
  Entry entry = look_up(login);
  const std::string decoy = system_decoy();
  const bool matches = password_matches(password, entry.hash, decoy);
  wipe(entry.hash);
  const bool usable =
      entry.user && entry.user->uid != 0 && !account_expired(entry.dates, now_seconds() / day_seconds);
  if (!matches || !usable) return std::nullopt;
  return entry.user;
}

}  // namespace hato

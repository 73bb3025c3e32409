#include "lib/base/password_hash.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>

#include <memory>

#include "lib/base/error.h"
#include "lib/base/secret.h"

namespace hato {

namespace {

constexpr char method[] = "$y$";  // yescrypt

struct Form {
  std::string_view prefix;
  std::size_t digits;  // behind the last "$"
};
constexpr Form forms[] = {{"$y$", 43},  {"$gy$", 43}, {"$7$", 43}, {"$2b$", 53}, {"$2a$", 53},
                          {"$2y$", 53}, {"$6$", 86},  {"$5$", 43}, {"$1$", 22}};

// 32 kB, which held the password: not on the stack, and wiped.
struct Space {
  std::unique_ptr<crypt_data> data{new crypt_data()};
  ~Space() { explicit_bzero(data.get(), sizeof *data); }
};

bool may_be_hash(const std::string& hash) {
  return !hash.empty() && hash[0] != '!' && hash[0] != '*' && hash != "x";
}

}  // namespace

const char decoy_hash[] = "$y$j9T$hatohatohatohatohato0.$hatohatohatohatohatohatohatohatohatohatoha1";

std::string hash_password(std::string_view password) {
  if (password.size() >= CRYPT_MAX_PASSPHRASE_SIZE || password.find('\0') != std::string_view::npos)
    throw PermError("a password may have up to 511 bytes and no NUL");
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (crypt_gensalt_rn(method, 0, nullptr, 0, setting, sizeof setting) == nullptr)
    throw_errno("crypt_gensalt");
  const Space space;
  const Secret text(password);
  const char* hash = crypt_r(text.text().c_str(), setting, space.data.get());
  if (hash == nullptr || hash[0] == '*') throw TempError("crypt cannot hash the password");
  return hash;
}

bool is_password_hash(const std::string& hash) {
  const int verdict = may_be_hash(hash) ? crypt_checksalt(hash.c_str()) : CRYPT_SALT_INVALID;
  if (verdict != CRYPT_SALT_OK && verdict != CRYPT_SALT_METHOD_LEGACY) return false;
  // That was about the setting alone. What is hashed stands behind it, in so many characters.
  for (const Form& form : forms)
    if (hash.starts_with(form.prefix)) {
      const std::size_t last = hash.size() - 1 - hash.rfind('$');
      return last == form.digits && hash.find_first_of(":\n") == std::string::npos;
    }
  return false;
}

bool password_matches(std::string_view password, const std::string& hash, const std::string& decoy) {
  const bool usable = may_be_hash(hash) && password.find('\0') == std::string_view::npos;
  const std::string& setting = usable ? hash : decoy;
  const Secret text(password);
  const Space space;
  errno = 0;
  const char* result = crypt_r(text.text().c_str(), setting.c_str(), space.data.get());
  const bool failed = result == nullptr || result[0] == '*';
  // Of a whole hash libxcrypt says EINVAL when memory is short, too. ERANGE: the password is too long to be
  // anybody's.
  if (failed && errno != ERANGE && is_password_hash(setting))
    throw TempError("cannot hash a password: out of memory, or the hash is damaged");
  const bool same = !failed && equal_in_constant_time(result, setting);
  return usable && same;
}

}  // namespace hato

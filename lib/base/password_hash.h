// Password hashes as crypt(5) has them.
#pragma once

#include <string>
#include <string_view>

namespace hato {

// yescrypt with libcrypt's own cost and a fresh salt. Throws TempError when there is no hash to be had. The
// password has no NUL and 512 bytes at most (crypt(3)'s limit): longer throws PermError.
std::string hash_password(std::string_view password);

// A whole crypt(5) string of yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512, SHA-256 or MD5, as far as its
// form tells; nothing is hashed.
bool is_password_hash(const std::string& hash);

// For whom there is no hash: of hash_password's method and cost, the hash of nothing anybody knows.
extern const char decoy_hash[];

// Does the password belong to the hash (any crypt(5) format)? A hash that locks the account ("", "!…", "*",
// "x") is nobody's. Takes the time of one hashing in the format of `hash`; in that of `decoy` when `hash` is
// none. Throws TempError when a hash that is_password_hash() cannot be made: yescrypt takes
// 16 MiB of memory.
bool password_matches(std::string_view password, const std::string& hash,
                      const std::string& decoy = decoy_hash);

}  // namespace hato

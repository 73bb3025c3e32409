// Logins of mail accounts: users/accounts.cdb and users/secrets.cdb. What checkpassword and qmail-authd have
// in common.
#pragma once

#include <optional>
#include <string>

#include "lib/base/secret.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"

namespace hato {

struct LoginProof {
  enum class Method : std::uint8_t {
    password,
    apop,              // response: MD5 of challenge and shared secret, 32 hex digits (RFC 1939)
    cram_md5,          // response: HMAC-MD5 of the challenge, 32 hex digits (RFC 2195)
    password_or_apop,  // checkpassword's interface does not say which it is
  } method = Method::password;
  Secret response;  // or the password
  std::string challenge;
};

// Takes the time of one hashing when the method has to do with a password. A locked account's secret ("!..."
// for hash) is proved by nothing; without a shared secret or a challenge neither is APOP or CRAM-MD5.
bool proves(const LoginProof& proof, const AccountSecret& secret);

struct LoginAnswer {
  bool yes = false;
  Account account;  // meant for the asker only when yes
};
// nullopt, at once: there is no such account. Throws SystemError or TempError when a file cannot be read.
std::optional<LoginAnswer> check_mail_login(Accounts& accounts, AccountSecrets& secrets,
                                            const std::string& login, const LoginProof& proof);

// As long as a check takes: for logins that there are not.
void waste_a_hashing(const LoginProof& proof);

}  // namespace hato

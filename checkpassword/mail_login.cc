#include "checkpassword/mail_login.h"

#include "lib/base/md5.h"
#include "lib/base/password_hash.h"

namespace hato {

namespace {

using Method = LoginProof::Method;

bool is_password(const LoginProof& proof, const AccountSecret& secret) {
  return password_matches(proof.response.text(), secret.hash);
}

bool is_digest(const LoginProof& proof, const AccountSecret& secret) {
  if (secret.shared.empty() || proof.challenge.empty()) return false;
  const bool cram = proof.method == Method::cram_md5;
  return equal_in_constant_time(proof.response.text(), cram ? hmac_md5_hex(secret.shared, proof.challenge)
                                                            : md5_hex(proof.challenge, secret.shared));
}

}  // namespace

bool proves(const LoginProof& proof, const AccountSecret& secret) {
  const bool by_digest = proof.method != Method::password && is_digest(proof, secret);
  const bool by_password = (proof.method == Method::password || proof.method == Method::password_or_apop) &&
                           is_password(proof, secret);
  return (by_digest || by_password) && !secret.hash.starts_with('!');
}

std::optional<LoginAnswer> check_mail_login(Accounts& accounts, AccountSecrets& secrets,
                                            const std::string& login, const LoginProof& proof) {
  std::optional<Account> account = accounts.find(login);
  if (!account) return std::nullopt;
  const std::optional<AccountSecret> secret = secrets.find(login);
  const AccountSecret none;
  LoginAnswer answer;
  answer.yes = proves(proof, secret ? *secret : none);
  answer.account = std::move(*account);
  return answer;
}

void waste_a_hashing(const LoginProof& proof) {
  proves(proof, AccountSecret());
}

}  // namespace hato

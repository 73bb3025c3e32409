#include "lib/store/account_secrets.h"

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/store/accounts.h"
#include "lib/store/named_lines.h"

namespace hato {

AccountSecret::~AccountSecret() {
  wipe(hash);
  wipe(shared);
}

std::string encode_secret(const AccountSecret& secret) {
  std::string record;
  if (!secret.hash.empty()) append_named_line(record, "hash", secret.hash);
  if (!secret.shared.empty()) append_named_line(record, "shared", secret.shared);
  return record + secret.others;
}

std::optional<AccountSecret> parse_secret(std::string_view record) {
  const std::optional<std::vector<NamedLine>> lines = parse_named_lines(record);
  if (!lines) return std::nullopt;
  AccountSecret secret;
  for (const auto& [name, value] : *lines) {
    std::string* field = name == "hash" ? &secret.hash : name == "shared" ? &secret.shared : nullptr;
    if (field == nullptr) {
      append_named_line(secret.others, name, value);
      continue;
    }
    if (!field->empty() || value.empty()) return std::nullopt;
    *field = value;
  }
  return secret;
}

AccountSecrets::AccountSecrets() : AccountSecrets(std::string(conf::home) + secrets_file) {}

std::optional<AccountSecret> AccountSecrets::find(std::string_view login) {
  Cdb* cdb = cdb_.current();
  if (cdb == nullptr) return std::nullopt;
  const std::string canonical = canonical_login(login);
  std::optional<std::string> record = cdb->find("a" + canonical);
  if (!record) return std::nullopt;
  std::optional<AccountSecret> secret = parse_secret(*record);
  wipe(*record);
  if (!secret) throw TempError(cdb_.path() + ": the record of " + canonical + " is no secret");
  return secret;
}

}  // namespace hato

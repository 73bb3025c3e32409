// Records of users/accounts.cdb and users/secrets.cdb, and the account in the environment. The first byte
// says which: 'a' an account, 'c' a contract, 's' a secret, 'e' the environment, 'l' a login, 'j' and 'k'
// JSON of an account and of a contract.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/base/error.h"
#include "lib/store/account_check.h"
#include "lib/store/account_json.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"

using namespace hato;

namespace {

// What is taken is written in a form that is taken as the same thing.
void check_account(std::string_view text) {
  const std::optional<Account> account = parse_account("abc", text);
  if (!account) return;
  if (account->uid == 0 || account->gid == 0 || !account->home.starts_with('/')) abort();
  if (parse_account("abc", encode_account(*account)) != account) abort();
}

void check_contract(std::string_view text) {
  const std::optional<Contract> contract = parse_contract("c", text);
  if (contract && parse_contract("c", encode_contract(*contract)) != contract) abort();
}

void check_secret(std::string_view text) {
  const std::optional<AccountSecret> secret = parse_secret(text);
  if (secret && parse_secret(encode_secret(*secret)) != secret) abort();
}

void check_environment(std::string_view text) {
  const std::optional<AccountInEnvironment> read = parse_account_variable(text);
  if (!read) return;
  const std::optional<AccountInEnvironment> again =
      parse_account_variable(encode_account_variable(read->account, read->any));
  if (!again || again->account != read->account || again->any != read->any) abort();
}

void check_login(std::string_view text) {
  const std::string canonical = canonical_login(text);
  if (canonical_login(canonical) != canonical) abort();
}

// What JSON makes of an account comes back from its JSON.
void check_json(std::string_view text) {
  Account account;
  AccountSecret secret;
  try {
    set_from_json(account, secret, JsonValue::parse(text));
  } catch (const PermError&) {
    return;
  }
  if (refuse_account(account)) return;
  if (parse_account(account.login, encode_account(account)) != account) abort();
  Account again;
  AccountSecret secret_again;
  set_from_json(again, secret_again, JsonValue::parse(account_json(account, &secret)));
  if (again != account || secret_again != secret) abort();
}

void check_contract_json(std::string_view text) {
  Contract contract, again;
  try {
    set_from_json(contract, JsonValue::parse(text));
  } catch (const PermError&) {
    return;
  }
  if (refuse_contract(contract)) return;
  if (parse_contract(contract.name, encode_contract(contract)) != contract) abort();
  set_from_json(again, JsonValue::parse(contract_json(contract)));
  if (again != contract) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'a') check_account(text);
  if (data[0] == 'c') check_contract(text);
  if (data[0] == 's') check_secret(text);
  if (data[0] == 'e') check_environment(text);
  if (data[0] == 'l') check_login(text);
  if (data[0] == 'j') check_json(text);
  if (data[0] == 'k') check_contract_json(text);
  return 0;
}

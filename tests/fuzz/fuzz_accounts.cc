// Records of users/accounts.cdb and users/secrets.cdb, and the account in the environment. The first byte
// says which: 'a' an account, 'c' a contract, 's' a secret, 'e' the environment, 'l' a login.
#include <cstdint>
#include <cstdlib>
#include <string>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'a') check_account(text);
  if (data[0] == 'c') check_contract(text);
  if (data[0] == 's') check_secret(text);
  if (data[0] == 'e') check_environment(text);
  if (data[0] == 'l') check_login(text);
  return 0;
}

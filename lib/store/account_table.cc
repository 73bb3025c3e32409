#include "lib/store/account_table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <algorithm>
#include <unordered_set>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/store/account_check.h"

namespace hato {

namespace {

constexpr std::int64_t lock_seconds = 60;
constexpr long lock_pause_ns = 10'000'000;
constexpr mode_t accounts_mode = 0644, secrets_mode = 0400;
constexpr char account_key = 'a', contract_key = 'c', domain_key = 'd', address_domain_key = 'D';

Fd take_lock(const std::string& path) {
  Fd lock = open_file(path, O_RDWR | O_CREAT, 0600);
  const Deadline deadline = Deadline::in_seconds(lock_seconds);
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("lock " + path);
    if (deadline.passed()) throw TempError(path + ": another change has been going on for a minute");
    const timespec pause{0, lock_pause_ns};
    nanosleep(&pause, nullptr);
  }
  return lock;
}

std::uint64_t generation_of(std::optional<Cdb>& cdb, const std::string& path) {
  if (!cdb) return 0;
  const std::optional<std::string> record = cdb->find("");
  const std::optional<std::uint64_t> generation = record ? parse_generation(*record) : std::nullopt;
  if (!generation) throw TempError(path + ": not a file of accounts");
  return *generation;
}

std::string domain_of(std::string_view login) {
  const std::size_t at = login.rfind('@');
  return at == std::string_view::npos ? "" : std::string(login.substr(at + 1));
}

Account parsed_account(const std::string& path, std::string_view login, std::string_view record) {
  std::optional<Account> account = parse_account(login, record);
  if (!account) throw TempError(path + ": the record of " + std::string(login) + " is no account");
  return std::move(*account);
}

Contract parsed_contract(const std::string& path, std::string_view name, std::string_view record) {
  std::optional<Contract> contract = parse_contract(name, record);
  if (!contract) throw TempError(path + ": the record of contract " + std::string(name) + " is none");
  return std::move(*contract);
}

}  // namespace

AccountTable::AccountTable(const std::string& users, std::optional<Owner> secrets_owner)
    : accounts_path_(users + "/accounts.cdb"),
      secrets_path_(users + "/secrets.cdb"),
      secrets_owner_(secrets_owner),
      lock_(take_lock(users + "/accounts.lock")),
      old_accounts_(Cdb::open(accounts_path_)),
      old_secrets_(Cdb::open(secrets_path_)) {
  generation_ =
      std::max(generation_of(old_accounts_, accounts_path_), generation_of(old_secrets_, secrets_path_));
}

std::optional<Account> AccountTable::account(const std::string& login) {
  if (const auto pending = accounts_.find(login); pending != accounts_.end()) return pending->second;
  const std::optional<std::string> record =
      old_accounts_ ? old_accounts_->find(account_key + login) : std::nullopt;
  if (!record) return std::nullopt;
  return parsed_account(accounts_path_, login, *record);
}

std::optional<Contract> AccountTable::contract(const std::string& name) {
  if (const auto pending = contracts_.find(name); pending != contracts_.end()) return pending->second;
  const std::optional<std::string> record =
      old_accounts_ ? old_accounts_->find(contract_key + name) : std::nullopt;
  if (!record) return std::nullopt;
  return parsed_contract(accounts_path_, name, *record);
}

AccountSecret AccountTable::secret(const std::string& login) {
  const auto parsed = [&](std::string_view record) {
    std::optional<AccountSecret> secret = parse_secret(record);
    if (!secret) throw TempError(secrets_path_ + ": the record of " + login + " is no secret");
    return std::move(*secret);
  };
  if (const auto pending = secrets_.find(login); pending != secrets_.end())
    return pending->second ? parsed(encode_secret(*pending->second)) : AccountSecret();
  std::optional<std::string> record = old_secrets_ ? old_secrets_->find(account_key + login) : std::nullopt;
  if (!record || !account(login)) return AccountSecret();
  AccountSecret secret = parsed(*record);
  wipe(*record);
  return secret;
}

std::optional<std::string> AccountTable::owner_of(const std::string& domain) {
  if (const auto pending = domains_.find(domain); pending != domains_.end()) return pending->second;
  std::optional<std::string> login = old_accounts_ ? old_accounts_->find(domain_key + domain) : std::nullopt;
  if (login && accounts_.contains(*login)) return std::nullopt;  // it has given the domain up
  return login;
}

bool AccountTable::has_logins_in(const std::string& domain) {
  if (const auto pending = address_domains_.find(domain);
      pending != address_domains_.end() && pending->second > 0)
    return true;
  return old_accounts_ && old_accounts_->contains(address_domain_key + domain);
}

void AccountTable::check_domains(const Account& account) {
  const std::string in = domain_of(account.login);
  if (const std::optional<std::string> owner = in.empty() ? std::nullopt : owner_of(in))
    throw PermError(in + " is a domain of " + *owner +
                    ", whose mail is all mail for it: there can be no login in it");
  for (const std::string& domain : account.domains) {
    const std::optional<std::string> owner = owner_of(domain);
    if (owner && *owner != account.login) throw PermError(domain + " is a domain of " + *owner + " already");
    if (has_logins_in(domain) || domain == in)
      throw PermError("there are logins in " + domain + ", so it cannot be one account's own");
  }
}

void AccountTable::forget_domains(const std::string& login) {
  const auto pending = accounts_.find(login);
  if (pending == accounts_.end() || !pending->second) return;
  for (const std::string& domain : pending->second->domains) domains_.erase(domain);
  if (const std::string in = domain_of(login); !in.empty()) --address_domains_[in];
}

void AccountTable::put(const Account& new_account) {
  if (const Refusal refusal = refuse_account(new_account))
    throw PermError(new_account.login + ": " + *refusal);
  check_domains(new_account);
  if (!new_account.contract.empty() && !contract(new_account.contract))
    throw PermError("there is no contract " + new_account.contract);
  if (!account(new_account.login)) secrets_[new_account.login] = std::nullopt;
  forget_domains(new_account.login);
  accounts_[new_account.login] = new_account;
  for (const std::string& domain : new_account.domains) domains_[domain] = new_account.login;
  if (const std::string in = domain_of(new_account.login); !in.empty()) ++address_domains_[in];
}

void AccountTable::put_secret(const std::string& login, AccountSecret secret) {
  if (!account(login)) throw PermError("there is no account " + login);
  secrets_[login] = std::move(secret);
}

void AccountTable::put(const Contract& contract) {
  if (const Refusal refusal = refuse_contract(contract)) throw PermError(*refusal);
  contracts_[contract.name] = contract;
}

void AccountTable::remove(const std::string& login) {
  if (!account(login)) throw PermError("there is no account " + login);
  forget_domains(login);
  accounts_[login] = std::nullopt;
  secrets_[login] = std::nullopt;
}

void AccountTable::remove_contract(const std::string& name) {
  if (!contract(name)) throw PermError("there is no contract " + name);
  const auto check = [&](const Account& account) {
    if (account.contract == name)
      throw PermError("contract " + name + " is that of " + account.login + ", at least");
  };
  for_each_account(accounts_path_, [&](const Account& account) {
    if (!accounts_.contains(account.login)) check(account);
  });
  for (const auto& [login, account] : accounts_)
    if (account) check(*account);
  contracts_[name] = std::nullopt;
}

void AccountTable::write_secrets() {
  CdbWriter writer(secrets_path_, secrets_mode);
  if (secrets_owner_) writer.give_to(secrets_owner_->uid, secrets_owner_->gid);
  writer.add("", encode_generation(next_generation()));
  const auto keep = [&](std::string_view key, std::string_view record) {
    if (key.empty()) return;
    if (key[0] == account_key) {
      const std::string login(key.substr(1));
      if (secrets_.contains(login)) return;
      // of an account that an interrupted change did not come to make
      if (!old_accounts_ || !old_accounts_->contains(key)) return;
    }
    writer.add(key, record);
  };
  if (old_secrets_) old_secrets_->for_each(keep);
  for (const auto& [login, secret] : secrets_) {
    if (!secret) continue;
    std::string record = encode_secret(*secret);
    writer.add(account_key + login, record);
    wipe(record);
  }
  writer.commit();
}

void AccountTable::write_accounts() {
  CdbWriter writer(accounts_path_, accounts_mode);
  writer.add("", encode_generation(next_generation()));
  std::unordered_set<std::string> address_domains;
  const auto note_login = [&](std::string_view login) {
    if (std::string in = domain_of(login); !in.empty()) address_domains.insert(std::move(in));
  };
  const auto keep = [&](std::string_view key, std::string_view record) {
    if (key.empty() || key[0] == address_domain_key) return;
    const std::string rest(key.substr(1));
    if (key[0] == account_key) {
      if (accounts_.contains(rest)) return;
      note_login(rest);
    }
    if (key[0] == contract_key && contracts_.contains(rest)) return;
    if (key[0] == domain_key && accounts_.contains(std::string(record))) return;
    writer.add(key, record);
  };
  if (old_accounts_) old_accounts_->for_each(keep);
  for (const auto& [name, contract] : contracts_)
    if (contract) writer.add(contract_key + name, encode_contract(*contract));
  for (const auto& [login, account] : accounts_) {
    if (!account) continue;
    writer.add(account_key + login, encode_account(*account));
    note_login(login);
    for (const std::string& domain : account->domains) writer.add(domain_key + domain, login);
  }
  for (const std::string& domain : address_domains) writer.add(address_domain_key + domain, "");
  writer.commit();
}

void AccountTable::commit() {
  // "Goes away" alone, with nothing there that could, is no change of the secrets.
  const bool secrets_change = std::any_of(secrets_.begin(), secrets_.end(), [&](const auto& pending) {
    return pending.second || (old_secrets_ && old_secrets_->contains(account_key + pending.first));
  });
  if (secrets_change) write_secrets();
  if (!accounts_.empty() || !contracts_.empty()) write_accounts();
}

void for_each_account(const std::string& accounts_path, const std::function<void(const Account&)>& take) {
  std::optional<Cdb> cdb = Cdb::open(accounts_path);
  if (!cdb) return;
  cdb->for_each([&](std::string_view key, std::string_view record) {
    if (key.starts_with(account_key)) take(parsed_account(accounts_path, key.substr(1), record));
  });
}

void for_each_contract(const std::string& accounts_path, const std::function<void(const Contract&)>& take) {
  std::optional<Cdb> cdb = Cdb::open(accounts_path);
  if (!cdb) return;
  cdb->for_each([&](std::string_view key, std::string_view record) {
    if (key.starts_with(contract_key)) take(parsed_contract(accounts_path, key.substr(1), record));
  });
}

}  // namespace hato

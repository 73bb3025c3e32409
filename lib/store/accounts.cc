#include "lib/store/accounts.h"

#include <algorithm>
#include <limits>
#include <set>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/store/named_lines.h"

namespace hato {

namespace {

constexpr std::string_view kind_names[] = {"directories", "user", "group", "project"};

// Not 0, and not (uid_t)-1, which set*id takes for "leave it".
std::optional<std::uint32_t> parse_id(std::string_view text) {
  const std::optional<std::uint64_t> id = parse_decimal(text);
  if (!id || *id == 0 || *id >= std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*id);
}

template <typename Target, typename Value>
bool take(Target& target, const std::optional<Value>& value) {
  if (value) target = *value;
  return value.has_value();
}

bool take_text(std::string& target, std::string_view value, bool allowed) {
  target = value;
  return allowed;
}

bool is_absolute(std::string_view path) {
  return path.starts_with('/');
}

bool take_flag(Account& account, const AccountFlag& flag, std::string_view value) {
  account.*flag.is_set = value == "1";
  return value == "0" || value == "1";
}

const AccountFlag* find_flag(std::string_view name) {
  for (const AccountFlag& flag : account_flags)
    if (flag.name == name) return &flag;
  return nullptr;
}

// False: the line cannot be in a record.
bool take_line(Account& account, const NamedLine& line) {
  const auto& [name, value] = line;
  if (name == "uid") return take(account.uid, parse_id(value));
  if (name == "gid") return take(account.gid, parse_id(value));
  if (name == "home") return take_text(account.home, value, is_absolute(value));
  if (name == "mailbox") return take_text(account.mailbox, value, !value.empty());
  if (name == "quota") return take(account.quota_bytes, parse_decimal(value));
  if (name == "messages") return take(account.quota_messages, parse_decimal(value));
  if (name == "contract") return take_text(account.contract, value, true);
  if (const AccountFlag* flag = find_flag(name)) return take_flag(account, *flag, value);
  if (name == "domain")
    account.domains.emplace_back(value);
  else
    append_named_line(account.others, name, value);
  return true;
}

bool take_line(Contract& contract, const NamedLine& line) {
  const auto& [name, value] = line;
  if (name == "quota") return take(contract.quota_bytes, parse_decimal(value));
  if (name == "kind") return take(contract.kind, parse_contract_kind(value));
  if (name == "id") return take(contract.id, parse_id(value));
  if (name == "directory") {
    contract.directories.emplace_back(value);
    return is_absolute(value);
  }
  append_named_line(contract.others, name, value);
  return true;
}

// Every line taken, and none of the names that count once twice.
template <typename Thing>
bool take_lines(Thing& thing, std::string_view record, std::string_view repeatable) {
  const std::optional<std::vector<NamedLine>> lines = parse_named_lines(record);
  if (!lines) return false;
  std::set<std::string_view> seen;
  for (const NamedLine& line : *lines) {
    const std::size_t unknown = thing.others.size();
    if (!take_line(thing, line)) return false;
    const bool known = thing.others.size() == unknown;
    if (known && line.name != repeatable && !seen.insert(line.name).second) return false;
  }
  return true;
}

void append_number(std::string& record, std::string_view name, std::uint64_t number) {
  if (number != 0) append_named_line(record, name, std::to_string(number));
}

}  // namespace

std::string canonical_login(std::string_view login) {
  const std::size_t at = login.rfind('@');
  if (at == std::string_view::npos) return to_lower_ascii(login);
  return to_lower_ascii(login.substr(0, at + 1)) + canonical_domain(login.substr(at + 1));
}

std::string encode_account(const Account& account) {
  std::string record;
  append_named_line(record, "uid", std::to_string(account.uid));
  append_named_line(record, "gid", std::to_string(account.gid));
  append_named_line(record, "home", account.home);
  append_named_line(record, "mailbox", account.mailbox);
  append_number(record, "quota", account.quota_bytes);
  append_number(record, "messages", account.quota_messages);
  if (!account.contract.empty()) append_named_line(record, "contract", account.contract);
  for (const std::string& domain : account.domains) append_named_line(record, "domain", domain);
  for (const AccountFlag& flag : account_flags)
    if (account.*flag.is_set != flag.standard)
      append_named_line(record, flag.name, flag.standard ? "0" : "1");
  return record + account.others;
}

std::optional<Account> parse_account(std::string_view login, std::string_view record) {
  Account account;
  account.login = login;
  if (!take_lines(account, record, "domain")) return std::nullopt;
  if (account.uid == 0 || account.gid == 0 || account.home.empty()) return std::nullopt;
  return account;
}

std::string encode_account_variable(const Account& account, bool any) {
  std::string text;
  append_named_line(text, "login", account.login);
  if (any) append_named_line(text, "any", "1");
  return text + encode_account(account);
}

std::optional<AccountInEnvironment> parse_account_variable(std::string_view text) {
  constexpr std::string_view login_start = "login=", any_line = "any=1\n";
  const std::size_t end = text.find('\n');
  if (!text.starts_with(login_start) || end == std::string_view::npos) return std::nullopt;
  const std::string_view login = text.substr(login_start.size(), end - login_start.size());
  text.remove_prefix(end + 1);
  const bool any = text.starts_with(any_line);
  if (any) text.remove_prefix(any_line.size());
  std::optional<Account> account = parse_account(login, text);
  if (!account || login.empty() || login.find('\0') != std::string_view::npos) return std::nullopt;
  return AccountInEnvironment{std::move(*account), any};
}

std::string_view contract_kind_name(Contract::Kind kind) {
  return kind_names[static_cast<std::size_t>(kind)];
}

std::optional<Contract::Kind> parse_contract_kind(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kind_names); ++i)
    if (kind_names[i] == name) return static_cast<Contract::Kind>(i);
  return std::nullopt;
}

std::string encode_contract(const Contract& contract) {
  std::string record;
  append_number(record, "quota", contract.quota_bytes);
  append_named_line(record, "kind", contract_kind_name(contract.kind));
  append_number(record, "id", contract.id);
  for (const std::string& directory : contract.directories) append_named_line(record, "directory", directory);
  return record + contract.others;
}

std::optional<Contract> parse_contract(std::string_view name, std::string_view record) {
  Contract contract;
  contract.name = name;
  if (!take_lines(contract, record, "directory") || contract.directories.empty()) return std::nullopt;
  if ((contract.kind == Contract::Kind::directories) != (contract.id == 0)) return std::nullopt;
  return contract;
}

std::string encode_generation(std::uint64_t generation) {
  std::string record;
  append_named_line(record, "generation", std::to_string(generation));
  return record;
}

std::optional<std::uint64_t> parse_generation(std::string_view record) {
  const std::optional<std::vector<NamedLine>> lines = parse_named_lines(record);
  if (!lines) return std::nullopt;
  for (const auto& [name, value] : *lines)
    if (name == "generation") return parse_decimal(value);
  return std::nullopt;
}

bool is_account_domain(Cdb& accounts, const std::string& domain) {
  return accounts.contains("d" + domain) || accounts.contains("D" + domain);
}

std::optional<AccountUid> account_uid(std::string_view key, std::string_view record) {
  constexpr std::string_view name = "uid=";
  if (!key.starts_with('a')) return std::nullopt;
  while (!record.empty() && !record.starts_with(name))
    record.remove_prefix(std::min(record.find('\n'), record.size() - 1) + 1);
  if (record.empty()) return std::nullopt;
  record.remove_prefix(name.size());
  const std::optional<std::uint32_t> uid = parse_id(record.substr(0, record.find('\n')));
  if (!uid) return std::nullopt;
  return AccountUid{key.substr(1), *uid};
}

Accounts::Accounts() : Accounts(std::string(conf::home) + accounts_file) {}

std::optional<std::string> Accounts::record(const std::string& key) {
  Cdb* cdb = cdb_.current();
  if (cdb == nullptr) return std::nullopt;
  return cdb->find(key);
}

std::optional<Account> Accounts::find(std::string_view login) {
  const std::string canonical = canonical_login(login);
  const std::optional<std::string> text = record("a" + canonical);
  if (!text) return std::nullopt;
  std::optional<Account> account = parse_account(canonical, *text);
  if (!account) throw TempError(cdb_.path() + ": the record of " + canonical + " is no account");
  return account;
}

std::optional<std::string> Accounts::owner_of(std::string_view domain) {
  return record("d" + canonical_domain(domain));
}

bool Accounts::has_logins_in(std::string_view domain) {
  return record("D" + canonical_domain(domain)).has_value();
}

std::optional<Contract> Accounts::contract(std::string_view name) {
  const std::optional<std::string> text = record("c" + std::string(name));
  if (!text) return std::nullopt;
  std::optional<Contract> contract = parse_contract(name, *text);
  if (!contract) throw TempError(cdb_.path() + ": the record of contract " + std::string(name) + " is none");
  return contract;
}

std::uint64_t Accounts::generation() {
  const std::optional<std::string> text = record("");
  if (!text) {
    if (cdb_.current() != nullptr) throw TempError(cdb_.path() + ": not a file of accounts");
    return 0;
  }
  const std::optional<std::uint64_t> generation = parse_generation(*text);
  if (!generation) throw TempError(cdb_.path() + ": the record of the generation is none");
  return *generation;
}

}  // namespace hato

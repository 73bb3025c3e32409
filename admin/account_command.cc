#include "admin/account_command.h"

#include <algorithm>
#include <limits>

#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/store/named_lines.h"

namespace hato {

namespace {

struct VerbRow {
  AccountVerb verb;
  const char* name;
  bool named;           // a login or a contract's name follows
  const char* options;  // besides --json
};
#define ACCOUNT_OPTIONS                                                                                    \
  " uid gid user home mailbox quota messages contract domain create send relay vrfy etrn nocert oversize " \
  "programs no-send no-relay no-vrfy no-etrn no-nocert no-oversize no-programs "
constexpr VerbRow verbs[] = {
    {AccountVerb::add, "add", true, ACCOUNT_OPTIONS "system password hash shared "},
    {AccountVerb::set, "set", true, ACCOUNT_OPTIONS "no-domain "},
    {AccountVerb::passwd, "passwd", true, " hash shared no-shared lock unlock old "},
    {AccountVerb::remove, "delete", true, ""},
    {AccountVerb::list, "list", false, ""},
    {AccountVerb::show, "show", true, ""},
    {AccountVerb::import_lines, "import", false, " update "},
    {AccountVerb::export_lines, "export", false, " secrets "},
    {AccountVerb::contract_add, "contract add", true, " quota directory file-system "},
    {AccountVerb::contract_set, "contract set", true,
     " quota directory no-directory file-system no-file-system "},
    {AccountVerb::contract_remove, "contract delete", true, ""},
    {AccountVerb::contract_list, "contract list", false, ""},
    {AccountVerb::contract_show, "contract show", true, ""}};
#undef ACCOUNT_OPTIONS

constexpr std::string_view with_value =
    " uid gid user home mailbox quota messages contract domain no-domain directory no-directory file-system ";

[[noreturn]] void refuse(const std::string& what) {
  throw PermError(what + " (see qmail-account(8))");
}

bool has_word(std::string_view list, const std::string& word) {
  return list.find(" " + word + " ") != std::string_view::npos;
}

const VerbRow& row_of(AccountVerb verb) {
  return *std::find_if(std::begin(verbs), std::end(verbs),
                       [&](const VerbRow& row) { return row.verb == verb; });
}

bool is_contract(AccountVerb verb) {
  return std::string_view(account_verb_name(verb)).starts_with("contract");
}

std::uint32_t parse_id(const std::string& option, std::string_view text) {
  const std::optional<std::uint64_t> id = parse_decimal(text);
  if (!id || *id > std::numeric_limits<std::uint32_t>::max()) refuse("--" + option + " wants a number");
  return static_cast<std::uint32_t>(*id);
}

// "user:1000": the quota that the file system keeps for this id.
void set_file_system(ContractChange& change, std::string_view value) {
  const std::size_t colon = std::min(value.find(':'), value.size());
  change.kind = parse_contract_kind(value.substr(0, colon));
  if (!change.kind || *change.kind == Contract::Kind::directories || colon == value.size())
    refuse("--file-system wants user:ID, group:ID or project:ID");
  change.id = parse_id("file-system", value.substr(colon + 1));
}

void set_contract_value(ContractChange& change, const std::string& option, const std::string& value) {
  if (option == "quota") change.quota_bytes = parse_quota_size(value);
  if (option == "directory") change.new_directories.push_back(value);
  if (option == "no-directory") change.old_directories.push_back(value);
  if (option == "file-system") set_file_system(change, value);
}

void set_account_value(AccountCommand& command, const std::string& option, const std::string& value) {
  AccountChange& change = command.account;
  if (option == "uid") change.uid = parse_id(option, value);
  if (option == "gid") change.gid = parse_id(option, value);
  if (option == "user") command.as_user = value;
  if (option == "home") change.home = value;
  if (option == "mailbox") change.mailbox = value;
  if (option == "contract") change.contract = value;
  if (option == "quota") change.quota_bytes = parse_quota_size(value);
  if (option == "domain") change.new_domains.push_back(canonical_domain(value));
  if (option == "no-domain") change.old_domains.push_back(canonical_domain(value));
  if (option == "messages") {
    change.quota_messages = value == "none" ? 0 : parse_decimal(value);
    if (!change.quota_messages) refuse("--messages wants a number");
  }
}

void set_switch(AccountCommand& command, const std::string& option) {
  PasswordChange& password = command.password;
  for (const AccountFlag& flag : account_flags) {
    if (option == flag.name) command.account.flags.emplace_back(flag.is_set, true);
    if (option == "no-" + std::string(flag.name)) command.account.flags.emplace_back(flag.is_set, false);
  }
  if (option == "system") command.system = true;
  if (option == "create") command.create = true;
  if (option == "secrets") command.secrets = true;
  if (option == "update") command.update = true;
  if (option == "password") password.from = PasswordChange::From::password;
  if (option == "hash") password.from = PasswordChange::From::hash;
  if (option == "shared") password.shared = true;
  if (option == "no-shared") password.no_shared = true;
  if (option == "lock") password.lock = true;
  if (option == "unlock") password.unlock = true;
  if (option == "old") password.old = true;
  if (option == "no-file-system") command.contract.kind = Contract::Kind::directories;
}

// How many words the verb takes.
std::size_t take_verb(AccountCommand& command, const std::vector<std::string>& words) {
  for (const VerbRow& row : verbs) {
    const std::string name = row.name;
    const bool two = name.find(' ') != std::string::npos;
    if (!words.empty() && words[0] + (two && words.size() > 1 ? " " + words[1] : "") == name) {
      command.verb = row.verb;
      return two ? 2 : 1;
    }
  }
  refuse("usage: qmail-account add|set|passwd|delete|list|show|import|export|contract ...");
}

// Options that contradict one another, or mean nothing alone.
void check_password(AccountCommand& command) {
  PasswordChange& password = command.password;
  if (command.verb == AccountVerb::passwd && password.empty()) password.from = PasswordChange::From::password;
  if (password.shared && password.from == PasswordChange::From::nowhere && command.verb == AccountVerb::add)
    refuse("--shared wants --password");
  if (password.shared && password.from == PasswordChange::From::hash)
    refuse("a hash cannot be a shared secret: --hash and --shared exclude each other");
  const int others = password.no_shared + password.lock + password.unlock;
  if (others > 1 || (others == 1 && (password.shared || password.from != PasswordChange::From::nowhere)))
    refuse("--no-shared, --lock and --unlock each stand alone");
  if (password.old && password.from != PasswordChange::From::password)
    refuse("--old wants a new password behind the old");
}

}  // namespace

const char* account_verb_name(AccountVerb verb) {
  return row_of(verb).name;
}

std::uint64_t parse_quota_size(std::string_view text) {
  constexpr std::string_view units = "KMGT";
  if (text == "none") return 0;
  const std::string shown(text);
  unsigned shift = 0;
  if (!text.empty())
    if (const std::size_t unit = units.find(text.back()); unit != std::string_view::npos) {
      shift = static_cast<unsigned>(unit + 1) * 10;
      text.remove_suffix(1);
    }
  const std::optional<std::uint64_t> number = parse_decimal(text);
  if (!number || *number > std::numeric_limits<std::uint64_t>::max() >> shift)
    refuse("\"" + shown + "\" is no size: want bytes, or a number with K, M, G or T, or none");
  return *number << shift;
}

void AccountChange::apply_to(Account& account) const {
  if (uid) account.uid = *uid;
  if (gid) account.gid = *gid;
  if (home) account.home = *home;
  if (mailbox) account.mailbox = *mailbox;
  if (contract) account.contract = *contract == "none" ? "" : *contract;
  if (quota_bytes) account.quota_bytes = *quota_bytes;
  if (quota_messages) account.quota_messages = *quota_messages;
  for (const auto& [flag, value] : flags) account.*flag = value;
  for (const std::string& domain : old_domains)
    if (std::erase(account.domains, domain) == 0)
      throw PermError(domain + " is no domain of " + account.login);
  for (const std::string& domain : new_domains)
    if (std::find(account.domains.begin(), account.domains.end(), domain) == account.domains.end())
      account.domains.push_back(domain);
}

void ContractChange::apply_to(Contract& contract) const {
  if (quota_bytes) contract.quota_bytes = *quota_bytes;
  if (kind) contract.kind = *kind, contract.id = id;
  for (const std::string& directory : old_directories)
    if (std::erase(contract.directories, directory) == 0)
      throw PermError(directory + " is no directory of contract " + contract.name);
  for (const std::string& directory : new_directories)
    if (std::find(contract.directories.begin(), contract.directories.end(), directory) ==
        contract.directories.end())
      contract.directories.push_back(directory);
}

AccountCommand parse_account_command(const std::vector<std::string>& words) {
  AccountCommand command;
  std::vector<std::string> rest;
  for (const std::string& word : words) {
    if (word == "--json")
      command.json = true;
    else
      rest.push_back(word);
  }
  std::size_t at = take_verb(command, rest);
  const VerbRow& row = row_of(command.verb);
  bool options_ended = false;
  std::optional<std::string> name;
  for (; at < rest.size(); ++at) {
    std::string word = rest[at];
    if (options_ended || !word.starts_with("--")) {
      if (name || !row.named) refuse("\"" + word + "\" is one word too many");
      name = word;
      continue;
    }
    word.erase(0, 2);
    if (word.empty()) {
      options_ended = true;
      continue;
    }
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string option = word.substr(0, equals);
    if (!has_word(row.options, option)) refuse("there is no option --" + option + " for " + row.name);
    const bool has_value = equals < word.size();
    if (!has_word(with_value, option)) {
      if (has_value) refuse("--" + option + " takes no value");
      set_switch(command, option);
      continue;
    }
    if (!has_value && ++at == rest.size()) refuse("--" + option + " wants a value");
    const std::string value = has_value ? word.substr(equals + 1) : rest[at];
    if (is_contract(command.verb))
      set_contract_value(command.contract, option, value);
    else
      set_account_value(command, option, value);
  }
  if (row.named && !name) refuse(std::string(row.name) + " wants a name");
  if (name) command.name = is_contract(command.verb) ? *name : canonical_login(*name);
  check_password(command);
  return command;
}

}  // namespace hato

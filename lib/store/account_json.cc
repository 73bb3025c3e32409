#include "lib/store/account_json.h"

#include <limits>

#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/mail/json.h"
#include "lib/store/named_lines.h"

namespace hato {

namespace {

class Object {
 public:
  void text(std::string_view name, std::string_view value) { raw(name, json_string(value)); }
  void number(std::string_view name, std::uint64_t value) { raw(name, std::to_string(value)); }
  void flag(std::string_view name, bool value) { raw(name, value ? "true" : "false"); }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    std::string list = "[";
    for (const std::string& value : values)
      list.append(list.size() > 1 ? "," : "").append(json_string(value));
    raw(name, list + "]");
  }
  // Lines that we do not know, so that an export loses nothing.
  void others(const std::string& lines) {
    if (!lines.empty()) text("others", lines);
  }
  std::string end() const { return json_ + "}"; }

 private:
  void raw(std::string_view name, std::string_view value) {
    json_.append(json_.size() > 1 ? "," : "").append(json_string(name)).append(":").append(value);
  }
  std::string json_ = "{";
};

[[noreturn]] void wrong(const std::string& name, const char* wanted) {
  throw PermError("\"" + name + "\" wants " + wanted);
}

const JsonValue::Members& members_of(const JsonValue& object) {
  if (object.members() == nullptr) throw PermError("not a JSON object");
  return *object.members();
}

std::string text_of(const std::string& name, const JsonValue& value) {
  if (value.string() == nullptr) wrong(name, "a string");
  return *value.string();
}

std::uint64_t number_of(const std::string& name, const JsonValue& value) {
  if (value.number() == nullptr || *value.number() < 0) wrong(name, "a number that is not below 0");
  return static_cast<std::uint64_t>(*value.number());
}

std::uint32_t id_of(const std::string& name, const JsonValue& value) {
  const std::uint64_t id = number_of(name, value);
  if (id > std::numeric_limits<std::uint32_t>::max()) wrong(name, "a number below 4294967296");
  return static_cast<std::uint32_t>(id);
}

std::vector<std::string> texts_of(const std::string& name, const JsonValue& value) {
  if (value.items() == nullptr) wrong(name, "an array of strings");
  std::vector<std::string> texts;
  for (const JsonValue& item : *value.items()) texts.push_back(text_of(name, item));
  return texts;
}

bool flag_of(const std::string& name, const JsonValue& value) {
  if (value.boolean() == nullptr) wrong(name, "true or false");
  return *value.boolean();
}

// Only lines whose names mean nothing to us may come in by this way.
template <typename Parsed>
std::string others_of(const std::string& name, const JsonValue& value, Parsed parsed) {
  const std::string lines = text_of(name, value);
  if (parsed(lines) != lines) wrong(name, "lines NAME=VALUE whose names have no meaning");
  return lines;
}

bool set_flag(Account& account, const std::string& name, const JsonValue& value) {
  for (const AccountFlag& flag : account_flags)
    if (flag.name == name) {
      account.*flag.is_set = flag_of(name, value);
      return true;
    }
  return false;
}

}  // namespace

std::string account_json(const Account& account, const AccountSecret* secret) {
  Object object;
  object.text("login", account.login);
  object.number("uid", account.uid);
  object.number("gid", account.gid);
  object.text("home", account.home);
  object.text("mailbox", account.mailbox);
  object.number("quota_bytes", account.quota_bytes);
  object.number("quota_messages", account.quota_messages);
  object.text("contract", account.contract);
  object.texts("domains", account.domains);
  for (const AccountFlag& flag : account_flags) object.flag(flag.name, account.*flag.is_set);
  object.others(account.others);
  if (secret != nullptr && !secret->hash.empty()) object.text("hash", secret->hash);
  if (secret != nullptr && !secret->shared.empty()) object.text("shared_secret", secret->shared);
  return object.end();
}

std::string contract_json(const Contract& contract) {
  Object object;
  object.text("type", "contract");
  object.text("name", contract.name);
  object.number("quota_bytes", contract.quota_bytes);
  object.text("kind", contract_kind_name(contract.kind));
  object.number("id", contract.id);
  object.texts("directories", contract.directories);
  object.others(contract.others);
  return object.end();
}

void set_from_json(Account& account, AccountSecret& secret, const JsonValue& object) {
  for (const auto& [name, value] : members_of(object)) {
    if (name == "login")
      account.login = canonical_login(text_of(name, value));
    else if (name == "uid")
      account.uid = id_of(name, value);
    else if (name == "gid")
      account.gid = id_of(name, value);
    else if (name == "home")
      account.home = text_of(name, value);
    else if (name == "mailbox")
      account.mailbox = text_of(name, value);
    else if (name == "quota_bytes")
      account.quota_bytes = number_of(name, value);
    else if (name == "quota_messages")
      account.quota_messages = number_of(name, value);
    else if (name == "contract")
      account.contract = text_of(name, value);
    else if (name == "domains") {
      account.domains = texts_of(name, value);
      for (std::string& domain : account.domains) domain = canonical_domain(domain);
    } else if (name == "others")
      account.others = others_of(name, value, [](const std::string& lines) {
        const std::optional<Account> parsed = parse_account("x", "uid=1\ngid=1\nhome=/\n" + lines);
        return parsed ? parsed->others : "=";
      });
    else if (name == "hash")
      secret.hash = text_of(name, value);
    else if (name == "shared_secret")
      secret.shared = text_of(name, value);
    else if (!set_flag(account, name, value))
      throw PermError("an account has no \"" + name + "\"");
  }
}

void set_from_json(Contract& contract, const JsonValue& object) {
  for (const auto& [name, value] : members_of(object)) {
    if (name == "name")
      contract.name = text_of(name, value);
    else if (name == "quota_bytes")
      contract.quota_bytes = number_of(name, value);
    else if (name == "id")
      contract.id = id_of(name, value);
    else if (name == "directories")
      contract.directories = texts_of(name, value);
    else if (name == "kind") {
      const std::optional<Contract::Kind> kind = parse_contract_kind(text_of(name, value));
      if (!kind) wrong(name, "directories, user, group or project");
      contract.kind = *kind;
    } else if (name == "others")
      contract.others = others_of(name, value, [](const std::string& lines) {
        const std::optional<Contract> parsed = parse_contract("x", "directory=/x\n" + lines);
        return parsed ? parsed->others : "=";
      });
    else if (name != "type")
      throw PermError("a contract has no \"" + name + "\"");
  }
}

}  // namespace hato

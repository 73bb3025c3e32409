// qmail-account: edits the table of mail accounts. man/qmail-account.8
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "admin/account_command.h"
#include "admin/rule_account.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/password_hash.h"
#include "lib/base/process.h"
#include "lib/base/secret.h"
#include "lib/mail/domain.h"
#include "lib/mail/json.h"
#include "lib/mail/json_value.h"
#include "lib/store/account_audit.h"
#include "lib/store/account_check.h"
#include "lib/store/account_json.h"
#include "lib/store/account_table.h"
#include "lib/store/control.h"
#include "lib/store/maildir.h"
#include "lib/store/rule_directory.h"

namespace hato {
namespace {

constexpr std::size_t secret_limit = 512;         // bytes of a password or a hash on descriptor 0
constexpr std::size_t import_line_limit = 65536;  // bytes

std::string users_directory() {
  return std::string(conf::home) + "/users";
}

std::string accounts_path() {
  return std::string(conf::home) + accounts_file;
}

User existing_user(const std::string& name) {
  const std::optional<User> user = passwd_user(name);
  if (!user) throw PermError("there is no user " + name + " in /etc/passwd");
  return *user;
}

AccountTable open_table() {
  if (geteuid() != 0) throw PermError("only root may change accounts");
  const std::optional<User> owner = passwd_user(std::string(conf::user_qmaila));
  if (!owner)
    throw TempError(std::string("user ") + conf::user_qmaila + " does not exist; make install creates it");
  return AccountTable(users_directory(), AccountTable::Owner{owner->uid, owner->gid});
}

// What the table itself cannot know: the system's users and the control files.
class Surroundings {
 public:
  Surroundings() {
    for (const User& user : passwd_users()) users_.try_emplace(user.name, user.uid);
    for (const std::string& name : suite_users())
      if (const auto user = users_.find(name); user != users_.end()) daemons_.push_back(*user);
    const Control control;
    add(locals_, control.lines("locals").value_or(std::vector{control.line_or("me", "")}));
    for (const std::string& line : control.lines("virtualdomains").value_or(std::vector<std::string>()))
      add(virtual_, {line.substr(0, line.find(':'))});
    system_users_ = control.number("systemusers", 1) != 0;
    dotdir_ = dot_directory(control);
    add(subdomains_, control.lines("subdomains").value_or(std::vector<std::string>()));
  }

  void check(const Account& account) const {
    for (const auto& [name, uid] : daemons_)
      if (account.uid == uid)
        throw PermError("uid " + std::to_string(uid) + " is the suite's own user " + name +
                        ": no mail is delivered with its rights");
    const auto namesake = system_users_ ? users_.find(account.login) : users_.end();
    if (namesake != users_.end() && namesake->second != account.uid)
      throw PermError(account.login + " is a user of the system with another uid, " +
                      std::to_string(namesake->second) +
                      ": an account of this name would take his mail away");
    for (const std::string& domain : account.domains) check(domain);
  }

  const std::optional<std::string>& dotdir() const { return dotdir_; }
  // He gets mail by his name without an account, too, so his rules are his before it and after it.
  bool has_system_user(const std::string& login) const { return system_users_ && users_.contains(login); }

 private:
  static void add(std::vector<std::string>& list, const std::vector<std::string>& domains) {
    for (const std::string& domain : domains) list.push_back(canonical_domain(domain));
  }
  void check(const std::string& domain) const {
    const auto has = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), domain) != list.end();
    };
    if (has(locals_)) throw PermError(domain + " is in control/locals: it belongs to everybody here");
    if (has(virtual_)) throw PermError(domain + " is in control/virtualdomains, which says whose it is");
    for (const std::string& parent : subdomains_)
      if (domain == parent || domain.ends_with("." + parent))
        throw PermError(domain + " belongs to whom its name says, by control/subdomains");
  }

  bool system_users_ = true;
  std::optional<std::string> dotdir_;
  std::unordered_map<std::string, uid_t> users_;
  std::vector<std::pair<std::string, uid_t>> daemons_;
  std::vector<std::string> locals_, virtual_, subdomains_;
};

// Lines of descriptor 0.
class SecretInput {
 public:
  Secret line(const char* what) {
    std::string line;
    const Reader::Line end = in_.read_line(line, secret_limit);
    Secret secret(line);
    wipe(line);
    if (end == Reader::Line::too_long || end == Reader::Line::eof || secret.text().empty())
      throw PermError(std::string("standard input has no line of 1 to 512 bytes that is the ") + what);
    return secret;
  }

 private:
  Reader in_{0, "standard input"};
};

void check_new_password(const std::string& password) {
  if (const Refusal refusal = refuse_password(password)) throw PermError(*refusal);
}

// What passwd and add read, before the lock is taken: the input may be a person's, and a hash takes its time.
struct NewSecret {
  std::string hash;
  Secret password;  // "": only the hash is known
  Secret old;       // "": not asked for

  static NewSecret read(const PasswordChange& change) {
    NewSecret fresh;
    SecretInput in;
    if (change.old) fresh.old = in.line("old password");
    if (change.from == PasswordChange::From::hash) {
      fresh.hash = in.line("hash").text();
      if (!is_password_hash(fresh.hash)) throw PermError("that is no hash that crypt(3) can check");
    } else {
      fresh.password = in.line("new password");
      check_new_password(fresh.password.text());
      fresh.hash = hash_password(fresh.password.text());
    }
    return fresh;
  }
};

// The words for the audit. A shared secret never stays that of an old password.
std::string put_new(AccountSecret& secret, const NewSecret& fresh, bool shared) {
  const bool has_shared = (shared || !secret.shared.empty()) && !fresh.password.text().empty();
  secret.hash = fresh.hash;
  wipe(secret.shared);
  if (has_shared) secret.shared = fresh.password.text();
  if (fresh.password.text().empty()) return "hash";
  return has_shared ? "password, shared secret" : "password";
}

std::string change_state(AccountSecret& secret, const PasswordChange& change) {
  const bool locked = secret.hash.starts_with('!');
  if (change.no_shared) {
    wipe(secret.shared);
    return "no shared secret";
  }
  if (change.lock && !locked) secret.hash.insert(0, "!");
  if (change.unlock && locked) secret.hash.erase(0, 1);
  return change.lock ? "lock" : "unlock";
}

// The home, unless it is there, and the Maildir in it; made by root and by the account's user, in this order,
// so that nothing the user can put there leads root elsewhere.
void create_places(const Account& account) {
  if (mkdir(account.home.c_str(), 0700) == 0) {
    const Fd home = open_file(account.home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fchown(home.get(), account.uid, account.gid) != 0) throw_errno("chown " + account.home);
  } else if (errno != EEXIST) {
    throw_errno("mkdir " + account.home);
  }
  if (!account.mailbox.ends_with('/')) return;
  const int status = wait_for_child(fork_child("qmail-account", [&]() -> int {
    become(account.uid, account.gid);
    if (chdir(account.home.c_str()) != 0) throw_errno("chdir " + account.home);
    struct stat there {};
    const std::string maildir = account.mailbox.substr(0, account.mailbox.size() - 1);
    if (stat(maildir.c_str(), &there) != 0) make_maildir(maildir);
    return 0;
  }));
  if (status != 0) throw TempError("the Maildir of " + account.login + " could not be made");
}

// The directories of the accounts' rules below control/dotdir; without one there is nothing to do.
class RulePlaces {
 public:
  explicit RulePlaces(const Surroundings& surroundings) : surroundings_(surroundings) {}

  // Before the account is there: its directory, with nothing in it that somebody of the same name has left.
  // Tells of that by standard error.
  void prepare(const Account& account) {
    if (!surroundings_.dotdir()) return;
    const std::string& dotdir = *surroundings_.dotdir();
    if (!made_) make_rule_directories(dotdir, panel().uid, panel().gid);
    made_ = true;
    if (const std::optional<std::string> aside = set_aside(account.login))
      log_line(2, "qmail-account: rules of an earlier " + account.login + " are now in " + *aside);
    make_rule_directory(dotdir, account.login, account.gid, panel().uid);
  }
  // For an account that is there: its rules can be read by its group, whichever they could be read by before.
  void regroup(const Account& account) {
    if (!surroundings_.dotdir() || surroundings_.has_system_user(account.login)) return;
    regroup_rules(*surroundings_.dotdir(), account.login, account.gid, panel().uid);
  }
  // When it is no longer there: where its rules have gone.
  std::optional<std::string> set_aside(const std::string& login) {
    if (!surroundings_.dotdir() || surroundings_.has_system_user(login)) return std::nullopt;
    return set_rules_aside(*surroundings_.dotdir(), login, now_seconds());
  }
  void sync() {
    if (surroundings_.dotdir()) sync_rule_directories(*surroundings_.dotdir());
  }

 private:
  const User& panel() {
    if (!panel_) panel_ = passwd_user(std::string(conf::user_qmailc));
    if (!panel_)
      throw TempError(std::string("user ") + conf::user_qmailc + " does not exist; make install creates it");
    return *panel_;
  }

  const Surroundings& surroundings_;
  std::optional<User> panel_;
  bool made_ = false;  // DOTDIR, or seen to be there
};

// One change of the table, its lines of the audit before it.
class Edit {
 public:
  Edit() : table(open_table()) {}

  void note(const std::string& verb, const std::string& name, const std::string& before,
            const std::string& after, const std::string& secrets = "") {
    lines_ +=
        audit_line(now_seconds(), table.next_generation(), actor_, {verb, name, before, after, secrets});
  }
  void commit() {
    append_audit(users_directory(), lines_);
    table.commit();
  }

  AccountTable table;

 private:
  const AuditActor actor_ = AuditActor::of_this_process();
  std::string lines_;
};

class Output {
 public:
  explicit Output(bool json) : json_(json), out_(1, "standard output") {}

  void print(const Account& account) { json_ ? line(account_json(account)) : print_record(account); }
  void print(const Contract& contract) {
    if (json_) return line(contract_json(contract));
    line("name=" + contract.name);
    out_.put(encode_contract(contract));
  }
  void line(const std::string& text) {
    out_.put(text);
    out_.put("\n");
  }
  void end() { out_.flush(); }
  bool json() const { return json_; }

 private:
  void print_record(const Account& account) {
    line("login=" + account.login);
    out_.put(encode_account(account));
  }

  bool json_;
  Writer out_;
};

Account existing_account(AccountTable& table, const std::string& login) {
  std::optional<Account> account = table.account(login);
  if (!account) throw PermError("there is no account " + login);
  return *account;
}

void apply(const AccountCommand& command, Account& account) {
  if (command.system) {
    const User user = existing_user(account.login);
    account.uid = user.uid, account.gid = user.gid, account.home = user.home;
  }
  if (!command.as_user.empty()) {
    const User user = existing_user(command.as_user);
    account.uid = user.uid, account.gid = user.gid;
  }
  command.account.apply_to(account);
}

void run_add(const AccountCommand& command, Output& out) {
  AccountSecret secret;
  std::string secrets;
  if (!command.password.empty())
    secrets = put_new(secret, NewSecret::read(command.password), command.password.shared);
  Account account;
  account.login = command.name;
  apply(command, account);
  if (account.uid == 0 && !command.account.uid && command.as_user.empty() && !command.system)
    throw PermError("add wants --uid and --gid, --user, or --system");
  if (account.home.empty()) throw PermError("add wants --home");
  const Surroundings surroundings;
  Edit edit;
  if (edit.table.account(account.login)) throw PermError("there is an account " + account.login + " already");
  edit.table.put(account);
  surroundings.check(account);
  if (!secrets.empty()) edit.table.put_secret(account.login, std::move(secret));
  if (command.create) create_places(account);
  RulePlaces rules(surroundings);
  rules.prepare(account);
  rules.sync();
  edit.note("add", account.login, "", account_json(account), secrets);
  edit.commit();
  out.print(account);
}

void run_set(const AccountCommand& command, Output& out) {
  const Surroundings surroundings;
  Edit edit;
  const Account before = existing_account(edit.table, command.name);
  Account account = before;
  apply(command, account);
  if (account != before) {
    edit.table.put(account);
    surroundings.check(account);
    edit.note("set", account.login, account_json(before), account_json(account));
  }
  if (command.create) create_places(account);
  if (edit.table.changed()) edit.commit();
  // After it, and also when it was this gid before: a set that was interrupted is made good by another.
  if (command.account.gid || !command.as_user.empty()) {
    RulePlaces rules(surroundings);
    rules.regroup(account);
    rules.sync();
  }
  out.print(account);
}

void run_passwd(const AccountCommand& command) {
  const PasswordChange& change = command.password;
  std::optional<NewSecret> fresh;
  if (change.from != PasswordChange::From::nowhere) fresh = NewSecret::read(change);
  Edit edit;
  existing_account(edit.table, command.name);
  AccountSecret secret = edit.table.secret(command.name);
  if (change.old && !password_matches(fresh->old.text(), secret.hash))
    throw PermError("the old password is wrong");
  const std::string secrets = fresh ? put_new(secret, *fresh, change.shared) : change_state(secret, change);
  edit.table.put_secret(command.name, std::move(secret));
  edit.note(change.old ? "passwd --old" : "passwd", command.name, "", "", secrets);
  edit.commit();
}

// The account first: killed in between, its rules have nobody, and the next account of that name will not get
// them either; the other way round there would be an account whose mail goes elsewhere than its rules say.
void run_delete(const AccountCommand& command, Output& out) {
  const Surroundings surroundings;
  Edit edit;
  const Account before = existing_account(edit.table, command.name);
  edit.table.remove(command.name);
  edit.note("delete", command.name, account_json(before), "");
  edit.commit();
  std::optional<std::string> aside;
  try {
    RulePlaces rules(surroundings);
    aside = rules.set_aside(command.name);
    rules.sync();
  } catch (const Error& e) {
    throw TempError("the account is deleted, but its rules are still there: " + e.text());
  }
  if (aside) out.line(out.json() ? "{\"rules\":" + json_string(*aside) + "}" : "rules=" + *aside);
}

void run_list(Output& out) {
  std::vector<std::string> lines;
  for_each_account(accounts_path(), [&](const Account& account) {
    lines.push_back(out.json() ? account_json(account) : account.login);
  });
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) out.line(line);
}

void run_show(const AccountCommand& command, Output& out) {
  const std::optional<Account> account = Accounts().find(command.name);
  if (!account) throw PermError("there is no account " + command.name);
  out.print(*account);
}

void run_export(const AccountCommand& command, Output& out) {
  AccountSecrets secrets;
  std::vector<std::string> lines;
  for_each_contract(accounts_path(), [&](const Contract& contract) { out.line(contract_json(contract)); });
  for_each_account(accounts_path(), [&](const Account& account) {
    if (!command.secrets) return out.line(account_json(account));
    const std::optional<AccountSecret> secret = secrets.find(account.login);
    out.line(account_json(account, secret ? &*secret : nullptr));
  });
}

// The logins that an import has something to do for besides the table.
struct Imported {
  std::vector<std::string> fresh;
  std::vector<std::string> regrouped;  // there before, now with another gid
};

// A contract or an account; what the object does not name stays as it is.
void import_line(const AccountCommand& command, Edit& edit, const Surroundings& surroundings,
                 const std::string& line, Imported& imported) {
  const JsonValue object = JsonValue::parse(line);
  const auto named = [&](const char* member) {
    const JsonValue* value = object.member(member);
    if (value == nullptr || value->string() == nullptr)
      throw PermError(std::string("there is no \"") + member + "\"");
    return *value->string();
  };
  const auto check_new = [&](bool is_there, const std::string& name) {
    if (is_there && !command.update)
      throw PermError(name + " is there already; --update changes what is there");
  };
  if (object.member("type") != nullptr) {
    if (named("type") != "contract")
      throw PermError("the only \"type\" is \"contract\"; an account has none");
    const std::string name = named("name");
    const std::optional<Contract> before = edit.table.contract(name);
    check_new(before.has_value(), "contract " + name);
    Contract contract = before.value_or(Contract());
    set_from_json(contract, object);
    if (contract == before) return;
    edit.table.put(contract);
    return edit.note("import", name, before ? contract_json(*before) : "", contract_json(contract));
  }
  const std::string login = canonical_login(named("login"));
  const std::optional<Account> before = edit.table.account(login);
  check_new(before.has_value(), login);
  Account account = before.value_or(Account());
  AccountSecret secret = edit.table.secret(login);
  const std::string secret_before = encode_secret(secret);
  set_from_json(account, secret, object);
  if (object.member("hash") != nullptr && !is_password_hash(secret.hash) && !secret.hash.starts_with('!'))
    throw PermError("\"hash\" is no hash that crypt(3) can check");
  const bool secret_changes = encode_secret(secret) != secret_before;
  if (account == before && !secret_changes) return;
  if (account != before) edit.table.put(account);
  surroundings.check(account);
  if (secret_changes) edit.table.put_secret(login, std::move(secret));
  edit.note("import", login, before ? account_json(*before) : "", account_json(account),
            secret_changes ? "hash" : "");
  if (!before)
    imported.fresh.push_back(login);
  else if (account.gid != before->gid)
    imported.regrouped.push_back(login);
}

std::vector<std::string> input_lines() {
  Reader in(0, "standard input", 0, 65536);
  std::vector<std::string> lines;
  std::string line;
  for (;;) {
    const Reader::Line end = in.read_line(line, import_line_limit);
    if (end == Reader::Line::eof) return lines;
    lines.push_back(line);
    if (end == Reader::Line::too_long)
      throw PermError("nothing is changed: line " + std::to_string(lines.size()) +
                      " is longer than 65536 bytes");
  }
}

// All lines, or none. They are read before the lock is taken.
void run_import(const AccountCommand& command) {
  const std::vector<std::string> lines = input_lines();
  const Surroundings surroundings;
  Edit edit;
  Imported imported;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    try {
      import_line(command, edit, surroundings, lines[i], imported);
    } catch (const PermError& e) {
      throw PermError("nothing is changed: line " + std::to_string(i + 1) + ": " + e.text());
    }
  }
  if (!edit.table.changed()) return;
  RulePlaces rules(surroundings);
  for (const std::string& login : imported.fresh) rules.prepare(*edit.table.account(login));
  rules.sync();
  edit.commit();
  for (const std::string& login : imported.regrouped) rules.regroup(*edit.table.account(login));
  rules.sync();
}

void run_contract_change(const AccountCommand& command, Output& out) {
  Edit edit;
  const std::optional<Contract> before = edit.table.contract(command.name);
  const bool is_new = command.verb == AccountVerb::contract_add;
  if (is_new && before) throw PermError("there is a contract " + command.name + " already");
  if (!is_new && !before) throw PermError("there is no contract " + command.name);
  Contract contract = before.value_or(Contract());
  contract.name = command.name;
  command.contract.apply_to(contract);
  if (contract != before) {
    edit.table.put(contract);
    edit.note(account_verb_name(command.verb), contract.name, before ? contract_json(*before) : "",
              contract_json(contract));
    edit.commit();
  }
  out.print(contract);
}

void run_contract_delete(const AccountCommand& command) {
  Edit edit;
  const std::optional<Contract> before = edit.table.contract(command.name);
  edit.table.remove_contract(command.name);
  edit.note(account_verb_name(command.verb), command.name, contract_json(*before), "");
  edit.commit();
}

void run_contract_list(Output& out) {
  for_each_contract(accounts_path(), [&](const Contract& contract) {
    out.line(out.json() ? contract_json(contract) : contract.name);
  });
}

void run_contract_show(const AccountCommand& command, Output& out) {
  const std::optional<Contract> contract = Accounts().contract(command.name);
  if (!contract) throw PermError("there is no contract " + command.name);
  out.print(*contract);
}

void run_command(const AccountCommand& command, Output& out) {
  switch (command.verb) {
    case AccountVerb::add:
      return run_add(command, out);
    case AccountVerb::set:
      return run_set(command, out);
    case AccountVerb::passwd:
      return run_passwd(command);
    case AccountVerb::remove:
      return run_delete(command, out);
    case AccountVerb::list:
      return run_list(out);
    case AccountVerb::show:
      return run_show(command, out);
    case AccountVerb::import_lines:
      return run_import(command);
    case AccountVerb::export_lines:
      return run_export(command, out);
    case AccountVerb::contract_add:
    case AccountVerb::contract_set:
      return run_contract_change(command, out);
    case AccountVerb::contract_remove:
      return run_contract_delete(command);
    case AccountVerb::contract_list:
      return run_contract_list(out);
    case AccountVerb::contract_show:
      return run_contract_show(command, out);
  }
}

int body(int argc, char** argv) {
  umask(022);
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  Output out(json);
  try {
    run_command(parse_account_command(words), out);
  } catch (const Error& e) {
    if (!json) throw;
    out.line("{\"error\":" + json_string(e.text()) + "}");
    out.end();
    return e.exit_code();
  }
  out.end();
  return 0;
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("qmail-account", argc, argv, hato::body);
}

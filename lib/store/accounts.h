// The mail accounts: HOME/users/accounts.cdb, which every program may read. qmail-account(8) is the only
// writer; the secrets lie beside it (lib/store/account_secrets.h). man/qmail-accounts.5 has the format.
//
// Keys: "a" and a login, "c" and the name of a contract, "d" and an account's own domain (data: the login),
// "D" and a domain in which there are logins NAME@domain (data: empty), "" the generation. Records are named
// lines (lib/store/named_lines.h); lines with names that are not known are kept.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/agent.h"
#include "lib/store/current_cdb.h"

namespace hato {

inline constexpr char accounts_file[] = "/users/accounts.cdb";  // below conf::home

struct Account {
  std::string login;                   // canonical: "abc", or an address "info@customer.example"
  uid_t uid = 0;                       // never 0 in a file, nor (uid_t)-1
  gid_t gid = 0;                       // likewise
  std::string home;                    // absolute
  std::string mailbox = "./Maildir/";  // where mail goes without a rule, as in a dot-file: Maildir/ or mbox
  std::uint64_t quota_bytes = 0;       // 0: no limit
  std::uint64_t quota_messages = 0;    // 0: no limit
  std::string contract;                // "": none
  std::vector<std::string> domains;    // own domains, canonical
  bool send = true;                    // may submit mail
  bool relay = false;                  // may relay from anywhere without the checks of a sender
  bool vrfy = false;                   // may VRFY
  bool etrn = false;                   // may ETRN
  bool nocert = false;                 // need not show a client certificate
  bool oversize = false;               // control/databytes does not count
  bool programs = false;               // program lines in its dot-files, although control/dotdir is set
  std::string others;                  // lines of its record that we do not know

  bool operator==(const Account&) const = default;
};

// The flags by their names in records, in qmail-account's options and in JSON.
struct AccountFlag {
  std::string_view name;
  bool Account::*is_set;
  bool standard;  // not written when it has this value
};
inline constexpr AccountFlag account_flags[] = {
    {"send", &Account::send, true},         {"relay", &Account::relay, false},
    {"vrfy", &Account::vrfy, false},        {"etrn", &Account::etrn, false},
    {"nocert", &Account::nocert, false},    {"oversize", &Account::oversize, false},
    {"programs", &Account::programs, false}};

// The form in which logins are compared and kept: ASCII letters in lower case, the domain of NAME@domain as
// canonical_domain has it.
std::string canonical_login(std::string_view login);

// A record. Throws PermError when a field has an LF or a NUL in it.
std::string encode_account(const Account& account);
// nullopt: not named lines; uid, gid or home missing or impossible (0, 2^32 - 1 and above, not absolute); a
// name that counts once given twice; a flag that is neither 0 nor 1; a number that is none; an empty mailbox.
std::optional<Account> parse_account(std::string_view login, std::string_view record);

// $QMAILACCOUNT, by which qmail-lspawn tells qmail-local and checkpassword tells qmail-pop3d whose account it
// is: "login=LOGIN\n", perhaps "any=1\n", and the record. It has no secret in it.
inline constexpr const char* account_variable = env_account;
struct AccountInEnvironment {
  Account account;
  bool any = false;  // without a rule the mailbox takes any extension (subdomain, own domain, NAME@domain)
};
std::string encode_account_variable(const Account& account, bool any);
std::optional<AccountInEnvironment> parse_account_variable(std::string_view text);

// Files of one customer that together may take so much.
struct Contract {
  std::string name;               // [a-z0-9._-], 64 bytes at most
  std::uint64_t quota_bytes = 0;  // 0: no limit, or the file system's
  // Whose use counts: all files below these directories, or what the file system's own quota says, for this
  // user, group or project on the file system of the first directory.
  enum class Kind : std::uint8_t { directories, user, group, project } kind = Kind::directories;
  std::uint32_t id = 0;                  // of the user, group or project
  std::vector<std::string> directories;  // absolute
  std::string others;                    // lines that we do not know

  bool operator==(const Contract&) const = default;
};
std::string_view contract_kind_name(Contract::Kind kind);  // "directories", "user", "group", "project"
std::optional<Contract::Kind> parse_contract_kind(std::string_view name);
std::string encode_contract(const Contract& contract);
std::optional<Contract> parse_contract(std::string_view name, std::string_view record);

// The record of the key "" in both files: the number of the change that wrote the file. Lines that are not
// known are not kept.
std::string encode_generation(std::uint64_t generation);
std::optional<std::uint64_t> parse_generation(std::string_view record);

// The file, mapped; another one that comes in its place is seen at the next call. No file: no accounts. Every
// call throws SystemError when it cannot be read and TempError when it, or a record that was asked for, is
// damaged.
class Accounts {
 public:
  explicit Accounts(std::string path) : cdb_(std::move(path)) {}
  Accounts();  // conf::home's

  // login, domain: in any case and form.
  std::optional<Account> find(std::string_view login);
  std::optional<std::string> owner_of(std::string_view domain);  // the login that has it as its own domain
  bool has_logins_in(std::string_view domain);                   // some login is NAME@domain
  std::optional<Contract> contract(std::string_view name);
  std::uint64_t generation();  // 0: no file

 private:
  std::optional<std::string> record(const std::string& key);

  CurrentCdb cdb_;
};

// In an accounts.cdb that is open: is this domain (canonical) some account's own, or has it logins
// NAME@domain? For who cannot open the file again. Throws as Cdb does.
bool is_account_domain(Cdb& accounts, const std::string& domain);
// Of a record as it is in the file, without looking at the rest; nullopt: not an account, or it has none.
struct AccountUid {
  std::string_view login;
  uid_t uid;
};
std::optional<AccountUid> account_uid(std::string_view key, std::string_view record);

}  // namespace hato

// What proves that somebody is an account's owner: HOME/users/secrets.cdb, readable by qmaila and root alone.
// Written by qmail-account(8) together with users/accounts.cdb; an account is one that lib/store/accounts.h
// finds, whatever is in here. man/qmail-accounts.5 has the format.
//
// Keys: "a" and a login as in accounts.cdb, "" the generation. Records are named lines; unknown ones are
// kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/current_cdb.h"

namespace hato {

inline constexpr char secrets_file[] = "/users/secrets.cdb";  // below conf::home

// Wiped when it goes.
struct AccountSecret {
  std::string hash;    // crypt(5) string; "" or one that begins with "!": no password fits
  std::string shared;  // for APOP and CRAM-MD5, in clear; "": these are refused
  std::string others;  // lines of the record that we do not know

  AccountSecret() = default;
  AccountSecret(AccountSecret&&) = default;
  AccountSecret& operator=(AccountSecret&&) = default;
  AccountSecret(const AccountSecret&) = delete;
  AccountSecret& operator=(const AccountSecret&) = delete;
  ~AccountSecret();
  bool operator==(const AccountSecret&) const = default;
};

std::string encode_secret(const AccountSecret& secret);  // PermError: an LF or NUL in a field
std::optional<AccountSecret> parse_secret(std::string_view record);

class AccountSecrets {
 public:
  explicit AccountSecrets(std::string path) : cdb_(std::move(path)) {}
  AccountSecrets();  // conf::home's

  // nullopt: none, or no file. Throws SystemError when the file cannot be read, TempError when it, or the
  // record, is damaged (no text of a record in the error).
  std::optional<AccountSecret> find(std::string_view login);

 private:
  CurrentCdb cdb_;
};

}  // namespace hato

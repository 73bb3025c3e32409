// Accounts and contracts as JSON objects, one a line: what qmail-account(8) prints, exports and imports.
#pragma once

#include <string>

#include "lib/mail/json_value.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"

namespace hato {

// The members "login", "uid", ... of an account; all of them, also those that have their default. With
// `secret`, which may be null, also "hash" and "shared_secret" where they are not empty. No LF at the end.
std::string account_json(const Account& account, const AccountSecret* secret = nullptr);
// Begins with "type":"contract".
std::string contract_json(const Contract& contract);

// Sets the members that the object has; the others stay. Throws PermError with a sentence for a member that
// is not known or of the wrong kind, and for text that is no object. The result may still be no sound account
// (refuse_account).
void set_from_json(Account& account, AccountSecret& secret, const JsonValue& object);
void set_from_json(Contract& contract, const JsonValue& object);

}  // namespace hato

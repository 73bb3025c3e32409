// users/accounts.audit: who changed which account, and how. A JSON object a line, appended;
// man/qmail-accounts.5 has the members. No secret is ever in it, only that one was set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/store/accounts.h"

namespace hato {

// Who asks for the change: the process' uid, $SUDO_USER where there is one, and for whom a service acts ("":
// for nobody else).
struct AuditActor {
  std::uint32_t uid = 0;
  std::string sudo_user;
  std::string on_behalf_of;

  static AuditActor of_this_process();
};

struct AuditChange {
  std::string verb;           // as on qmail-account's command line
  std::string name;           // login or contract
  std::string before, after;  // the record as JSON; "": none
  std::string secrets;        // in words: "password", "shared secret", "lock"; "": none
};

// One line with its LF.
std::string audit_line(std::int64_t now_seconds, std::uint64_t generation, const AuditActor& actor,
                       const AuditChange& change);

// Appends the lines by one write, and makes them last. Called under the table's lock before commit(): so a
// change is never without its line; a line whose generation another line has again is of a change that was
// not made. Creates the file (0600). Throws SystemError.
void append_audit(const std::string& users, const std::string& lines);

}  // namespace hato

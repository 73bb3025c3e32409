// The control files by which qmail-send(8) routes, and the table of accounts beside them.
#pragma once

#include "lib/mail/router.h"
#include "lib/store/control.h"

namespace hato {

// locals (without it: me), virtualdomains, domainaliases and subdomains as they are now. Throws SystemError
// for a file that cannot be read.
RoutingLines read_routing_lines(const Control& control);

class Accounts;

AccountDomain account_domain_in(Accounts& accounts, const std::string& domain);
// Asks users/accounts.cdb, opened again when it was replaced; no file: no domains. Throws as Accounts does.
// Copies of what is returned share the one that is open.
AccountDomains account_domains();

// With percenthack, envnoathost and the accounts. A tool may ask where a running qmail-send, which reads some
// of the files at its start only, would not know them yet. Throws SystemError for a file that cannot be read.
Router read_router(const Control& control);

}  // namespace hato

// Would an address be delivered here? What qmail-lspawn(8) and qmail-local(8) will ask, asked by a user, as
// far as he can see: users/cdb, the accounts and qmail-getpw(8) (lib/store/recipients.h), then the dot-file
// of an extension address (lib/store/orders.h). Delivers nothing.
#pragma once

#include <string_view>

namespace hato {

enum class LocalRecipient {
  exists,
  unknown,  // no account, or no dot-file for it
  unsure,   // the caller may not see that, or it cannot be had now
};

// local, domain: of a recipient as qmail-send hands it to qmail-lspawn. An extension address needs a dot-file
// that the caller may read, unless the mailbox takes any; what stands in it is not looked at.
LocalRecipient find_local_recipient(std::string_view local, std::string_view domain);

}  // namespace hato

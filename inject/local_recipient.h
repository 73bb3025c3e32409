// Would an address be delivered here? What qmail-lspawn(8) and qmail-local(8) will ask, asked by a user, as
// far as he can see: users/cdb, then qmail-getpw(8), then the dot-file of an extension address. Delivers
// nothing.
#pragma once

#include <string_view>

namespace hato {

enum class LocalRecipient {
  exists,
  unknown,  // no account, or no dot-file for it
  unsure,   // the caller may not see that, or it cannot be had now
};

// local: a local part, as qmail-send hands it to qmail-lspawn. An extension address needs a dot-file that the
// caller may read; what stands in it is not looked at.
LocalRecipient find_local_recipient(std::string_view local);

}  // namespace hato

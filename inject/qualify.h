// How addresses of a local user become complete (qmail-inject(8), qmail-header(5)).
#pragma once

#include <string>
#include <string_view>

#include "lib/mail/header_addresses.h"

namespace hato {

// The names that complete an address, from control files, the gate's admission record or the environment.
struct AddressDefaults {
  std::string host;         // for an address without a host name
  std::string domain;       // for a host name without a dot
  std::string plus_domain;  // for a host name that ends with "+"
};

// local@domain, complete. An empty domain gets the default host; a dot at its end is dropped; address
// literals stay, and so does the domain "[]" of a VERP sender. Both empty (<>) gives "".
std::string qualified(std::string_view local, std::string_view domain, const AddressDefaults& defaults);
// The same for a raw address: the last @ separates, a route (@a,@b:) is dropped.
std::string qualified(std::string_view raw, const AddressDefaults& defaults);

}  // namespace hato

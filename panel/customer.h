// The addresses of an account, as its owner sees them on his pages.
#pragma once

#include <string>
#include <vector>

#include "lib/store/accounts.h"
#include "lib/store/control.h"

namespace hato::panel {

struct Customer {
  std::string login;
  // What stands around an extension in the address shown for it: "shop" + "@abc.pobox.example", or
  // "abc-" + "shop" + "@pobox.example".
  std::string before, after;
  std::vector<std::string> mains;        // addresses of the account itself; at least one
  std::vector<std::string> any_domains;  // domains in which every address is his
};

// From control/locals, control/subdomains and control/me (man qmail-control). Domains are shown in the form
// in which they were written. Throws SystemError when a file cannot be read.
Customer customer_of(const Account& account, const Control& control);

}  // namespace hato::panel

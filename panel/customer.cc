#include "panel/customer.h"

#include <algorithm>

#include "lib/base/conf.h"

namespace hato::panel {

namespace {

// NAME@domain: a mailbox in a domain of somebody's.
Customer customer_by_address(const std::string& login, std::size_t at) {
  Customer customer;
  customer.login = login;
  customer.mains = {login};
  customer.before = login.substr(0, at) + conf::break_chars[0];
  customer.after = login.substr(at);
  return customer;
}

}  // namespace

Customer customer_of(const Account& account, const Control& control) {
  const std::size_t at = account.login.rfind('@');
  if (at != std::string::npos) return customer_by_address(account.login, at);
  Customer customer;
  customer.login = account.login;
  const std::vector<std::string> subdomains =
      control.lines("subdomains").value_or(std::vector<std::string>());
  const std::string me = control.line_or("me", "localhost");
  const std::vector<std::string> locals = control.lines("locals").value_or(std::vector<std::string>{me});
  for (const std::string& domain : subdomains) {
    // A subdomain service's own domain has the accounts' main addresses when it is local too.
    if (std::find(locals.begin(), locals.end(), domain) != locals.end())
      customer.mains.push_back(account.login + "@" + domain);
    customer.any_domains.push_back(account.login + "." + domain);
  }
  customer.any_domains.insert(customer.any_domains.end(), account.domains.begin(), account.domains.end());
  const std::string host =
      std::find(locals.begin(), locals.end(), me) != locals.end() || locals.empty() ? me : locals.front();
  if (customer.mains.empty() && !locals.empty()) customer.mains.push_back(account.login + "@" + host);
  if (!customer.any_domains.empty()) {
    customer.after = "@" + customer.any_domains.front();
    if (customer.mains.empty()) customer.mains.push_back(account.login + customer.after);
  } else {
    customer.before = account.login + conf::break_chars[0];
    customer.after = "@" + host;
    if (customer.mains.empty()) customer.mains.push_back(account.login + customer.after);
  }
  return customer;
}

}  // namespace hato::panel

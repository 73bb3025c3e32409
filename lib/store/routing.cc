#include "lib/store/routing.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/store/accounts.h"

namespace hato {

RoutingLines read_routing_lines(const Control& control) {
  const std::vector<std::string> none;
  const auto lines = [&](const char* name) { return control.lines(name).value_or(none); };
  std::optional<std::vector<std::string>> locals = control.lines("locals");
  if (!locals) locals = {control.line_or("me", "")};
  return {*std::move(locals), lines("virtualdomains"), lines("domainaliases"), lines("subdomains")};
}

AccountDomain account_domain_in(Accounts& accounts, const std::string& domain) {
  if (std::optional<std::string> owner = accounts.owner_of(domain)) return {*std::move(owner), false};
  return {"", accounts.has_logins_in(domain)};
}

AccountDomains account_domains() {
  return [accounts = std::make_shared<Accounts>()](const std::string& domain) {
    return account_domain_in(*accounts, domain);
  };
}

Router read_router(const Control& control) {
  return Router(read_routing_lines(control),
                control.lines("percenthack").value_or(std::vector<std::string>()),
                control.line_or_me("envnoathost", "envnoathost"), account_domains());
}

}  // namespace hato

// Where a recipient goes: qmail-send(8)'s percenthack, locals, virtualdomains, domainaliases, subdomains and
// envnoathost, and the domains of accounts. Pure; the owner reads the control files (lib/store/routing.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lib/mail/channel.h"

namespace hato {

struct Route {
  Channel channel = Channel::remote;
  std::string recipient;  // rewritten: with a domain, percent hack done, the real name of an aliased domain,
                          // a virtual domain's prepend in front
  std::size_t prepended = 0;  // bytes of recipient that were put in front
  // The recipient as the sender may see it in a bounce.
  std::string_view address() const { return std::string_view(recipient).substr(prepended); }
  bool operator==(const Route&) const = default;
};

// Lines of the control files that SIGHUP brings in anew, comments and trailing blanks gone.
struct RoutingLines {
  std::vector<std::string> locals, virtualdomains;
  std::vector<std::string> domainaliases{};  // other.example:main.example
  std::vector<std::string> subdomains{};     // pobox.example: ANY@abc.pobox.example is abc's
};

// What the table of accounts says about a domain (canonical). May throw; route() passes that on.
struct AccountDomain {
  std::string owner;    // the login whose own domain it is; "": nobody's
  bool logins = false;  // there are logins NAME@domain
};
using AccountDomains = std::function<AccountDomain(const std::string& domain)>;

// Which of the operator's files makes a recipient local.
enum class ByHand { no, locals, virtualdomains };

// In this order: percenthack; locals; virtualdomains but for its line that is for everything; domainaliases
// (once: then locals and virtualdomains again with the other name); below a domain of subdomains; an
// account's own domain; a domain of logins; virtualdomains' line for everything. What is none of them is
// remote.
class Router {
 public:
  // A line of virtualdomains or domainaliases without a colon is ignored, as in qmail; of two lines for one
  // key the later counts. Domains are compared without regard to case and to their form (U-label or A-label).
  Router(const RoutingLines& lines, const std::vector<std::string>& percenthack, std::string envnoathost,
         AccountDomains accounts = {});

  Route route(std::string_view address) const;

  // SIGHUP.
  void replace(const RoutingLines& lines);

  // The owner of a canonical domain, because it lies below one of subdomains (what is in front of that: "abc"
  // of abc.pobox.example, "a.b" of a.b.pobox.example; the shortest) or is an account's own; or that there are
  // logins in it. nullopt: none of these. It counts where the operator's files say nothing: by_hand().
  std::optional<AccountDomain> account_domain(const std::string& domain) const;
  // Is LOCAL@domain, as route() returns it, what locals or virtualdomains make of an address? domain:
  // canonical.
  ByHand by_hand(std::string_view local, const std::string& domain) const;

 private:
  std::string_view subdomain_label(std::string_view domain) const;  // "": it lies below none

  using Table = std::unordered_map<std::string, std::string>;

  // The prepend for user@domain (canonical), or null: user@domain itself, domain, .parent ...
  const std::string* virtual_prepend(std::string_view user, const std::string& domain) const;
  // The line for everything, or null.
  const std::string* virtual_prepend_for_all() const;

  std::unordered_set<std::string> locals_, percenthack_, subdomains_;
  Table virtualdomains_, domainaliases_;
  std::string envnoathost_;
  AccountDomains accounts_;
};

}  // namespace hato

// Where a recipient goes: qmail-send(8)'s locals, virtualdomains, percenthack and envnoathost. Pure; the
// owner reads the control files.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lib/mail/channel.h"

namespace hato {

struct Route {
  Channel channel = Channel::remote;
  std::string recipient;  // rewritten: with a domain, percent hack done, a virtual domain's prepend in front
  std::size_t prepended = 0;  // bytes of recipient that virtualdomains put there
  // The recipient as the sender may see it in a bounce.
  std::string_view address() const { return std::string_view(recipient).substr(prepended); }
  bool operator==(const Route&) const = default;
};

class Router {
 public:
  // Lines as the control files have them, comments and trailing blanks gone. A line of virtualdomains
  // without a colon is ignored, as in qmail; of two lines for one key the later counts. Domains are compared
  // without regard to case and to their form (U-label or A-label).
  Router(const std::vector<std::string>& locals, const std::vector<std::string>& virtualdomains,
         const std::vector<std::string>& percenthack, std::string envnoathost);

  Route route(std::string_view address) const;

  // SIGHUP: these two are read anew, the others stay.
  void replace(const std::vector<std::string>& locals, const std::vector<std::string>& virtualdomains);

 private:
  // The prepend for user@domain (canonical), or null: user@domain itself, domain, .parent ..., then "".
  const std::string* virtual_prepend(std::string_view user, const std::string& domain) const;

  std::unordered_set<std::string> locals_, percenthack_;
  std::unordered_map<std::string, std::string> virtualdomains_;
  std::string envnoathost_;
};

}  // namespace hato

// Routing with control files and an address from the same input: lines, an empty line, five times,
// then the address. An account has every domain that begins with "own", logins are in those with "log".
#include <stdlib.h>

#include "lib/mail/domain.h"
#include "lib/mail/router.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> tables[5];
  unsigned table = 0;
  while (!rest.empty() && table < 5) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end == 0)
      ++table;
    else
      tables[table].emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const Router router({tables[0], tables[1], tables[3], tables[4]}, tables[2], "me.example",
                      [](const std::string& domain) -> AccountDomain {
                        return {domain.starts_with("own") ? "abc" : "", domain.starts_with("log")};
                      });
  const Route route = router.route(rest);
  if (route.recipient.find('@') == std::string::npos) abort();
  if (route.prepended > route.recipient.size()) abort();
  if (route.channel == Channel::remote && route.prepended != 0) abort();
  if (route.prepended > 0 && route.recipient[route.prepended - 1] != '-') abort();
  // A recipient in an operator's domain is known again as such; one below subdomains keeps its account.
  const std::size_t at = route.recipient.rfind('@');
  const std::string domain = canonical_domain(route.recipient.substr(at + 1));
  const std::string local = route.recipient.substr(0, at);
  if (route.channel == Channel::local && router.by_hand(local, domain) == ByHand::no) {
    const std::optional<AccountDomain> account = router.account_domain(domain);
    if (!account) abort();
    if (!account->owner.empty() && !local.starts_with(account->owner + "-")) abort();
  }
  return 0;
}

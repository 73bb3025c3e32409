#include "inject/verification.h"

#include "lib/base/log.h"
#include "lib/mail/address.h"

namespace hato {

std::string verified_line(const Router& router, std::string_view address) {
  const Route route = router.route(address);
  const std::string host(domain_part(route.recipient));
  const std::string where = route.channel == Channel::local
                                ? "mailer local, user " + std::string(local_part(route.recipient))
                                : "mailer remote, host " + host + ", user " + route.recipient;
  return log_safe(std::string(address) + "... deliverable: " + where, 4000) + "\n";
}

}  // namespace hato

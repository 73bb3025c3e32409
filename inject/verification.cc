#include "inject/verification.h"

#include "inject/local_recipient.h"
#include "lib/base/log.h"
#include "lib/mail/address.h"

namespace hato {

namespace {

constexpr std::size_t max_line = 4000;

std::string local_text(std::string_view local, LocalRecipient found) {
  switch (found) {
    case LocalRecipient::exists:
      return "deliverable: mailer local, user " + std::string(local);
    case LocalRecipient::unknown:
      return "User unknown";
    case LocalRecipient::unsure:
      break;
  }
  return "accepted for local delivery, not verified: user " + std::string(local);
}

}  // namespace

Verification verify_address(const Router& router, std::string_view address) {
  const Route route = router.route(address);
  Verification verification;
  std::string text;
  if (route.channel == Channel::local) {
    const std::string local(local_part(route.recipient));
    const LocalRecipient found = find_local_recipient(local, domain_part(route.recipient));
    verification.unknown = found == LocalRecipient::unknown;
    text = local_text(local, found);
  } else {
    text = "deliverable: mailer remote, host " + std::string(domain_part(route.recipient)) + ", user " +
           route.recipient;
  }
  verification.line = log_safe(std::string(address) + "... " + text, max_line) + "\n";
  return verification;
}

}  // namespace hato

// qreceipt(1): answers a sender who asked for a notice of delivery.
#include <string>

#include "inject/forwarding.h"
#include "inject/message_input.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/domain.h"
#include "lib/mail/envelope.h"
#include "lib/mail/header.h"
#include "lib/mail/header_addresses.h"
#include "lib/net/submit.h"

namespace {

using namespace hato;

constexpr const char* request_field = "Notice-Requested-Upon-Delivery-To";

bool same_address(const std::string& a, const std::string& b) {
  return local_part(a) == local_part(b) && same_domain(domain_part(a), domain_part(b));
}

// Does a field of the header ask for a notice from `target`?
bool is_requested(const std::string& header, const std::string& target) {
  for (HeaderFields fields(header); const auto field = fields.next();) {
    if (!field->is(request_field)) continue;
    const auto addresses = parse_address_list(field->body);
    if (!addresses) throw PermError(std::string("cannot read the field ") + request_field);
    for (const HeaderAddress& address : *addresses)
      if (same_address(address.raw(), target)) return true;
  }
  return false;
}

std::string notice(const std::string& header, const std::string& sender, const std::string& target) {
  const std::string address = "<" + quote_address(sender) + ">";
  std::string text = "Date: " + qmail_date(now_seconds()) + "\nFrom: DELIVERY NOTICE SYSTEM " + address +
                     "\nTo: " + address +
                     "\nSubject: success notice\nAuto-Submitted: auto-replied\n\n"
                     "Your message was delivered to this address, as you had asked to be told:\n  " +
                     log_safe(target) + "\n";
  if (const auto id = find_field(header, "Message-ID"))
    text += "It was the message with Message-ID: " + log_safe(unfolded(id->body)) + "\n";
  return text;
}

int body(int argc, char** argv) {
  if (argc != 2) throw PermError("usage: qreceipt deliveryaddress");
  const std::string target = argv[1];
  const std::string sender = required_env("SENDER");
  const std::string header = MessageInput(0).read_header();
  if (!is_requested(header, target) || sender.empty() || sender == double_bounce_sender) return 0;

  Submission submission;
  check_queued(submission.open(GateOrigin()));
  submission.message(notice(header, sender, target));
  submission.sender("");
  submission.recipient(sender);
  check_queued(submission.commit());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qreceipt", argc, argv, body);
}

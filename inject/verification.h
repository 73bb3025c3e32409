// sendmail -bv: where mail for some addresses would go, as qmail-send would decide. Nothing is sent.
#pragma once

#include <string>
#include <string_view>

#include "lib/mail/router.h"

namespace hato {

struct Verification {
  // With a line end, in sendmail's form: "joe@example.jp... deliverable: mailer local, user joe",
  // "a@b.org... deliverable: mailer remote, host b.org, user a@b.org", "x@example.jp... User unknown", or
  // "joe@example.jp... accepted for local delivery, not verified: user joe".
  std::string line;
  bool unknown = false;
};

// Looks local recipients up, as far as the caller can see (local_recipient.h); never asks the network.
Verification verify_address(const Router& router, std::string_view address);

}  // namespace hato

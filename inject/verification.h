// sendmail -bv: where mail for some addresses would go, as qmail-send would decide. Nothing is sent.
#pragma once

#include <string>
#include <string_view>

#include "lib/mail/router.h"

namespace hato {

// "joe@example.jp... deliverable: mailer local, user joe\n" or
// "a@b.org... deliverable: mailer remote, host b.org, user a@b.org\n", sendmail's form. That a local user
// exists is not looked up: his address is a secret of his dot-files.
std::string verified_line(const Router& router, std::string_view address);

}  // namespace hato

// The control files about quotas: man qmail-control(5), qmail-quota(5).
#pragma once

#include <cstdint>

#include "lib/store/control.h"
#include "lib/store/maildir_count.h"

namespace hato {

// control/quotatrash: 0 excludes what Maildir++ calls trash; default 1, as Dovecot counts.
Trash quota_trash(const Control& control);

// control/quotawarn: hundredths of a quota at which a mailbox is warned; default 90, 0: never.
constexpr unsigned quota_warn_default = 90;
unsigned quota_warn_percent(const Control& control);

// control/quotalifetime: for so many seconds after it came a message waits for room in a full mailbox.
constexpr std::int64_t quota_lifetime_default = 86400;
std::int64_t quota_lifetime(const Control& control);

}  // namespace hato

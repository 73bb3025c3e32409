// The quota of one Maildir by its maildirsize file: read, counted anew when it cannot be believed, kept up to
// date. man qmail-quota(5). Every program that writes the file as Maildir++ has it may do so at the same
// time.
//
// Nothing is locked. Who delivers or deletes opens the file before he does and appends to it afterwards;
// finding then that another file has come in its place, he cannot know whether his change was counted, and
// removes it: the next one counts. Who counts puts his file in place, and removes it again when the Maildir
// has changed meanwhile. So programs of ours agree to the byte however they meet.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "lib/base/fd.h"
#include "lib/store/maildir_count.h"
#include "lib/store/quota.h"

namespace hato {

// Directory entries that are looked at to count one Maildir: by a delivery, which has to know, and by a
// daemon that answers others meanwhile.
constexpr std::uint64_t delivery_names_limit = 4'000'000;
constexpr std::uint64_t daemon_names_limit = 100'000;

// For who only asks (qmail-rcptd): how much the Maildir `maildir` (its descriptor, open for reading) holds,
// from its maildirsize, or by counting when that cannot be believed for this quota and what is to come.
// Writes nothing. nullopt: more than most_names to count. Throws SystemError.
std::optional<QuotaUse> mailbox_use(int maildir, const Quota& quota, const QuotaUse& coming, Trash trash,
                                    std::uint64_t most_names = daemon_names_limit);

// Our end of a Maildir's maildirsize, opened before the Maildir is changed, so that what is appended
// afterwards is known to count.
class MaildirsizeEnd {
 public:
  // maildir: as above, or AT_FDCWD; must stay open. No file: nothing to append to, and nothing said. Never
  // throws: the mail is worth more.
  explicit MaildirsizeEnd(int maildir);
  // The Maildir has changed by so much. When that cannot be written down for certain the file is removed.
  void changed(std::int64_t bytes, std::int64_t messages) noexcept;
  // It has changed, and the caller cannot say by how much: the file is removed.
  void changed_somehow() noexcept;

 private:
  int maildir_;
  Fd file_;
};

// For who delivers: as mailbox_use, but what was counted becomes the Maildir's maildirsize. Also throws
// TempError when there is more than delivery_names_limit to count. A maildirsize that cannot be written is no
// failure.
QuotaUse mailbox_use_for_delivery(int maildir, const Quota& quota, const QuotaUse& coming, Trash trash);

}  // namespace hato

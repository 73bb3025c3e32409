// Is there room in an account's mailbox and contract, and the mailbox's count kept: man qmail-quota(5). What
// qmail-local does around a delivery for an account with a quota.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/fd.h"
#include "lib/store/accounts.h"
#include "lib/store/mailbox_quota.h"
#include "lib/store/message_file.h"
#include "local/delivery.h"

namespace hato {

// The report of a delivery that waits for room, and of one that has waited for control/quotalifetime seconds.
inline constexpr char mailbox_full_for_now[] = "sorry, mailbox is full (#4.2.2)";
inline constexpr char mailbox_full_for_good[] = "sorry, mailbox is full (#5.2.2)";

// Throws the first as a TempError or the second as a PermError. The age is the queue's; a message that does
// not come from the queue has none, and waits.
[[noreturn]] void refuse_full_mailbox(const MessageFile& message);

// Before the message is put into any file or Maildir for this account: the contract. Refuses as above. A
// contract that nobody has measured has room. Throws TempError when the files that tell cannot be read.
void require_room_in_contract(const Account& account, const Delivery& delivery, const MessageFile& message);

// One delivery into a Maildir.
class MailboxRoom {
 public:
  // Before it: the working directory is the home. Refuses when `maildir` is the account's mailbox, or a
  // folder of it that counts, and the message, without the fields that we put in front, does not fit. A
  // message from the postmaster, who is root on this host, fits. TempError: the Maildir has more files than
  // can be counted.
  MailboxRoom(const Account& account, const Delivery& delivery, const MessageFile& message,
              const std::string& maildir);
  // After it: so many bytes are in a file more. Warns the customer, when that crosses control/quotawarn
  // hundredths of the quota, by a message in his mailbox; not more often than once a day. Never throws: the
  // mail is there.
  void delivered(std::uint64_t bytes) noexcept;

 private:
  void warn(const QuotaUse& use);

  const Account& account_;
  Quota quota_;
  Fd mailbox_;  // empty: this delivery does not count
  QuotaUse use_;
  std::optional<MaildirsizeEnd> end_;
};

}  // namespace hato

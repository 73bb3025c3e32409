// How full an account's mailbox is. The panel may not look into mailboxes; qmail-rcptd(8) may, and answers
// the panel's user.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hato::panel {

struct MailboxUse {
  std::uint64_t bytes = 0, messages = 0;
  std::uint64_t quota_bytes = 0, quota_messages = 0;  // 0: no limit

  // The larger of the two shares, in percent, 100 at most; nullopt without a limit.
  std::optional<unsigned> percent() const;
};

// The lines NAME=NUMBER of an answer, ended by an empty line. nullopt: bytes or messages missing, or a line
// that is none of these. Pure.
std::optional<MailboxUse> parse_mailbox_use(std::string_view answer);
// Asks; nullopt when nobody answers within 3 seconds, or there is no answer. Logs nothing: the page says so.
std::optional<MailboxUse> mailbox_use(const std::string& login);

}  // namespace hato::panel

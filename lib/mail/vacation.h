// A vacation reply (RFC 3834): its settings as words of a program line, when it is sent, to whom, and what it
// says. Pure, but for the server's time zone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

inline constexpr std::size_t max_vacation_text = 16384;  // bytes
inline constexpr std::size_t max_vacation_subject = 200;
inline constexpr int default_vacation_days = 7;
inline constexpr int max_vacation_days = 60;

struct Vacation {
  std::string text;                  // UTF-8, LF line ends, no control character but LF and tab
  std::string subject;               // UTF-8, one line; empty: "Auto: " and the message's own
  std::string from;                  // "2026-12-28", or RFC 3339 with a zone; empty: no such limit
  std::string until;                 // the same; a day is meant with all its hours
  int days = default_vacation_days;  // nobody gets two replies within so many days

  bool operator==(const Vacation&) const = default;
};

// Throws PermError with a sentence when a member is not as it must be.
void check_vacation(const Vacation& vacation);

// The arguments of qmail-vacation(1), without its name: -d DAYS -s SUBJECT -f FROM -u UNTIL TEXT, what is as
// ever left out. An LF in the text is \n, a tab \t, a backslash twice.
std::vector<std::string> vacation_words(const Vacation& vacation);
// Throws PermError: not such words, or check_vacation's.
Vacation parse_vacation_words(const std::vector<std::string>& words);

// The first second of `day` ("2026-12-28" in the server's zone) or the moment itself (RFC 3339 date-time with
// its zone); `end`: the first second behind. nullopt: no such day.
std::optional<std::int64_t> vacation_moment(std::string_view day, bool end);
bool vacation_is_on(const Vacation& vacation, std::int64_t now_seconds);

// The message that came, as far as a reply depends on it.
struct VacationMessage {
  std::string_view header;  // its header fields
  std::string_view sender;  // envelope sender, raw
  std::string_view
      named;  // the recipient as To, Cc, Bcc or their Resent- forms name it, raw; empty: they do not
};
// The first address in those fields, raw, of which `is_recipient` says that it is the recipient's.
std::string named_recipient(std::string_view header,
                            const std::function<bool(const std::string& address)>& is_recipient);
// Why no reply may be sent (RFC 3834 section 2): a few words for the log; nullopt: one may.
std::optional<std::string> no_reply_reason(const VacationMessage& message);

// The reply, from message.named to message.sender: header and body, LF line ends; seven-bit but for addresses
// that need SMTPUTF8. message_id: its own, without angle brackets.
std::string vacation_reply(const Vacation& vacation, const VacationMessage& message,
                           std::string_view message_id, std::int64_t now_seconds);

}  // namespace hato

// The text of a Maildir++ "maildirsize" file: what the quota is, and how much the Maildir holds, as lines
// that are to be added up. Written by whoever delivers or deletes: us, Courier, Dovecot, maildrop; and the
// customer may have written anything into it. Pure. man qmail-quota(5).
//
//   10000000S,100C     the quota
//   4123 2             bytes and messages, blanks around them
//   -2000 -1           what changed
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/quota.h"

namespace hato {

inline constexpr char maildirsize_name[] = "maildirsize";  // in the Maildir itself
// A file that has grown larger is not read, but made anew. Seconds: one that says "full" is believed so long.
constexpr std::size_t maildirsize_limit = 5120;
constexpr std::int64_t maildirsize_trusted_seconds = 15 * 60;

struct Maildirsize {
  Quota quota;
  QuotaUse use;
  unsigned lines = 0;  // behind the quota; at least 1
};

// nullopt: it cannot be believed. It is too large; its last line has no end (what is appended next would join
// it); a line is not two numbers; there is no line but the quota; a sum is negative or too large to count.
std::optional<Maildirsize> parse_maildirsize(std::string_view text);

// A file as one that counted begins it, and one more line, its LF included.
std::string maildirsize_text(const Quota& quota, const QuotaUse& use);
std::string maildirsize_line(std::int64_t bytes, std::int64_t messages);

// Can a file be believed that says `said` and was last changed `age` seconds ago, when `coming` is to be
// added under this quota? No: the Maildir has to be counted. A negative age (the clock was set back) is old.
bool believable(const Maildirsize& said, std::int64_t age, const Quota& quota, const QuotaUse& coming);

}  // namespace hato

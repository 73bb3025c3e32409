// Dates in messages. Times are seconds since 1970 (UTC, no leap seconds), years 1970 to 9999.
#pragma once

#include <cstdint>
#include <string>

namespace hato {

// A point of time taken apart in UTC.
struct CivilTime {
  int year;     // 2026
  int month;    // 1 to 12
  int day;      // 1 to 31
  int hour;     // 0 to 23
  int minute;   // 0 to 59
  int second;   // 0 to 59
  int weekday;  // 0 is Sunday
};
CivilTime civil_time(std::int64_t seconds);

// "23 Nov 2026 10:00:00 -0000": qmail's form, for Received, Date and bounces. "-0000" says that the time is
// UTC and that nothing is known about a local zone (RFC 5322 3.3).
std::string qmail_date(std::int64_t seconds);

// "Mon, 23 Nov 2026 19:00:00 +0900": RFC 5322 3.3 in the zone `offset_minutes` east of UTC.
std::string rfc5322_date(std::int64_t seconds, int offset_minutes);

// "Mon Nov 23 10:00:00 2026": asctime(3)'s form in UTC, for the From_ line of an mbox (mbox(5)).
std::string mbox_date(std::int64_t seconds);

}  // namespace hato

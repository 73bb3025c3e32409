#include "lib/mail/date.h"

#include <algorithm>
#include <cstdio>

namespace hato {

namespace {

constexpr const char* month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr const char* weekday_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::int64_t day_seconds = 86400;
constexpr std::int64_t last_second = 253402300799;  // 9999-12-31 23:59:59

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, format, values...);
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

CivilTime civil_time(std::int64_t seconds) {
  seconds = std::clamp<std::int64_t>(seconds, 0, last_second);
  const std::int64_t days = seconds / day_seconds;
  const int in_day = static_cast<int>(seconds % day_seconds);
  // Days are counted from 1 March of year 0 in eras of 400 years (146097 days); a year that begins in March
  // has its leap day last.
  const std::int64_t from_march = days + 719468;
  const std::int64_t era = from_march / 146097;
  const std::int64_t of_era = from_march % 146097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int day_of_year =
      static_cast<int>(of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
  const int march_month = (5 * day_of_year + 2) / 153;
  const int month = march_month < 10 ? march_month + 3 : march_month - 9;
  return CivilTime{.year = static_cast<int>(year_of_era + era * 400) + (month <= 2 ? 1 : 0),
                   .month = month,
                   .day = day_of_year - (153 * march_month + 2) / 5 + 1,
                   .hour = in_day / 3600,
                   .minute = in_day / 60 % 60,
                   .second = in_day % 60,
                   .weekday = static_cast<int>((days + 4) % 7)};
}

std::string qmail_date(std::int64_t seconds) {
  const CivilTime t = civil_time(seconds);
  return formatted("%d %s %d %02d:%02d:%02d -0000", t.day, month_names[t.month - 1], t.year, t.hour, t.minute,
                   t.second);
}

std::string rfc5322_date(std::int64_t seconds, int offset_minutes) {
  const CivilTime t = civil_time(seconds + std::int64_t{60} * offset_minutes);
  const int away = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  return formatted("%s, %d %s %d %02d:%02d:%02d %c%02d%02d", weekday_names[t.weekday], t.day,
                   month_names[t.month - 1], t.year, t.hour, t.minute, t.second,
                   offset_minutes < 0 ? '-' : '+', away / 60 % 100, away % 60);
}

std::string mbox_date(std::int64_t seconds) {
  const CivilTime t = civil_time(seconds);
  return formatted("%s %s %2d %02d:%02d:%02d %d", weekday_names[t.weekday], month_names[t.month - 1], t.day,
                   t.hour, t.minute, t.second, t.year);
}

}  // namespace hato

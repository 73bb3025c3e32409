#include "lib/mail/vacation.h"

#include <time.h>

#include <charconv>

#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/domain.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/header.h"
#include "lib/mail/header_addresses.h"
#include "lib/mail/quoted_printable.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

constexpr std::size_t max_shown_subject = 500;  // bytes of the message's own subject in ours
constexpr std::size_t max_references = 4000;    // bytes; a longer field is left out but for its last id
constexpr std::int64_t day_seconds = 86400;
constexpr int last_year = 9999;

bool is_text(std::string_view text, std::string_view controls) {
  if (!is_utf8(text)) return false;
  for (const char c : text)
    if (((c >= 0 && c < 32) || c == 127) && controls.find(c) == std::string_view::npos) return false;
  return true;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\\')
      out += "\\\\";
    else
      out += c;
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out += text[at];
      continue;
    }
    const char next = ++at < text.size() ? text[at] : '\0';
    if (next != 'n' && next != 't' && next != '\\')
      throw PermError("a backslash is written \\\\ in the text");
    out += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
  }
  return out;
}

// Two or four digits at text[at], and `at` behind them; -1: none.
int digits(std::string_view text, std::size_t& at, std::size_t n) {
  if (text.size() - at < n || at > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, n)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  at += n;
  return value;
}

bool take(std::string_view text, std::size_t& at, std::string_view one_of) {
  if (at >= text.size() || one_of.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

// Seconds east of UTC: "Z", "+09:00"; nullopt: neither, or more behind it.
std::optional<int> zone(std::string_view text, std::size_t at) {
  if (text.substr(at) == "Z" || text.substr(at) == "z") return 0;
  if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return std::nullopt;
  const int sign = text[at] == '-' ? -1 : 1;
  const int hours = digits(text, ++at, 2);
  if (hours < 0 || hours > 23 || !take(text, at, ":")) return std::nullopt;
  const int minutes = digits(text, at, 2);
  if (minutes < 0 || minutes > 59 || at != text.size()) return std::nullopt;
  return sign * (hours * 60 + minutes) * 60;
}

bool is_leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool day_exists(int year, int month, int day) {
  static constexpr int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (year < 1970 || year > last_year || month < 1 || month > 12 || day < 1) return false;
  return day <= lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

// Does one of the fields of that name have `word` as its value, in front of parameters and comments?
bool field_says(std::string_view header, std::string_view name,
                std::initializer_list<std::string_view> words) {
  HeaderFields fields(header);
  while (const std::optional<HeaderField> field = fields.next()) {
    if (!field->is(name)) continue;
    const std::string value = unfolded(field->body);
    const std::string_view first = std::string_view(value).substr(0, value.find_first_of(" \t;("));
    for (const std::string_view word : words)
      if (equal_ignoring_case(first, word)) return true;
  }
  return false;
}

bool has_field_beginning(std::string_view header, std::string_view prefix) {
  HeaderFields fields(header);
  while (const std::optional<HeaderField> field = fields.next())
    if (equal_ignoring_case(field->name.substr(0, prefix.size()), prefix)) return true;
  return false;
}

// Machines and lists: nobody there reads a reply, or everybody does.
bool is_machine(std::string_view local) {
  const std::string name = to_lower_ascii(local);
  for (const std::string_view whole :
       {"mailer-daemon", "postmaster", "mailer", "daemon", "root", "listserv", "majordomo", "noreply",
        "no-reply", "no_reply", "donotreply", "do-not-reply", "bounce", "bounces", "www-data", "nobody"})
    if (name == whole) return true;
  for (const std::string_view beginning :
       {"owner-", "noreply-", "no-reply-", "noreply+", "no-reply+", "bounce-", "bounce+", "bounces-",
        "bounces+", "msprvs1=", "prvs-bounce"})
    if (name.starts_with(beginning)) return true;
  for (const std::string_view end :
       {"-request", "-owner", "-bounce", "-bounces", "-noreply", "-no-reply", "-relay"})
    if (name.ends_with(end)) return true;
  return name.find("-owner-") != std::string::npos;  // qmail's VERP
}

bool is_recipient_field(const HeaderField& field) {
  for (const std::string_view name : {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"})
    if (field.is(name)) return true;
  return false;
}

// A subject line of ours: UTF-8 that may hold encoded words of the message's own, which stay as they are.
std::string subject_line(const Vacation& vacation, std::string_view header) {
  if (!vacation.subject.empty())
    return is_ascii(vacation.subject) ? vacation.subject : encoded_words(vacation.subject);
  const std::optional<HeaderField> field = find_field(header, "Subject");
  const std::string theirs = field ? unfolded(field->body) : "";
  if (theirs.empty() || theirs.size() > max_shown_subject) return "Auto: your mail";
  if (is_iso2022_jp(theirs)) return "Auto:\n " + display_name(theirs);  // as the charset that it is
  if (!is_text(theirs, "\t")) return "Auto: your mail";
  if (!is_ascii(theirs)) return "Auto:\n " + encoded_words(theirs);
  // Folded again at blanks: a line over 998 characters cannot be, one over 78 should not.
  std::string out = "Auto:";
  std::size_t line = sizeof "Subject: Auto:" - 1;
  for (std::size_t at = 0; at < theirs.size();) {
    const std::size_t end = std::min(theirs.find(' ', at), theirs.size());
    const std::string_view word = std::string_view(theirs).substr(at, end - at);
    if (line + 1 + word.size() > 76 && !word.empty()) {
      out += "\n";
      line = 0;
    }
    out += " " + std::string(word);
    line += 1 + word.size();
    at = end + 1;
  }
  return out;
}

// "<...>" of a field, printable ASCII only: what may be repeated in ours.
std::vector<std::string> message_ids(std::string_view body) {
  std::vector<std::string> ids;
  const std::string text = unfolded(body);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;) {
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos) break;
    const std::string id = text.substr(at, end + 1 - at);
    bool plain = id.size() > 2 && id.size() <= 900;
    for (const char c : id) plain = plain && c > 32 && c < 127;
    if (plain) ids.push_back(id);
    at = end + 1;
  }
  return ids;
}

std::string thread_fields(std::string_view header) {
  const std::optional<HeaderField> id_field = find_field(header, "Message-ID");
  const std::vector<std::string> id = id_field ? message_ids(id_field->body) : std::vector<std::string>();
  if (id.empty()) return "";
  std::vector<std::string> chain;
  if (const auto references = find_field(header, "References")) chain = message_ids(references->body);
  if (chain.empty())
    if (const auto replied = find_field(header, "In-Reply-To")) {
      const std::vector<std::string> one = message_ids(replied->body);
      if (one.size() == 1) chain = one;
    }
  std::size_t length = 0;
  for (const std::string& reference : chain) length += reference.size() + 2;
  if (length > max_references) chain.clear();
  chain.push_back(id.front());
  std::string fields = "In-Reply-To: " + id.front() + "\nReferences:";
  for (const std::string& reference : chain) fields += (fields.ends_with(':') ? " " : "\n ") + reference;
  return fields + "\n";
}

}  // namespace

void check_vacation(const Vacation& vacation) {
  if (vacation.text.empty() || vacation.text.size() > max_vacation_text)
    throw PermError("the reply's text must have 1 to " + std::to_string(max_vacation_text) + " bytes");
  if (!is_text(vacation.text, "\n\t"))
    throw PermError("the reply's text has a control character, or is not UTF-8");
  if (vacation.subject.size() > max_vacation_subject)
    throw PermError("the reply's subject may have " + std::to_string(max_vacation_subject) + " bytes");
  if (!is_text(vacation.subject, ""))
    throw PermError("the reply's subject must be one line of UTF-8 without control characters");
  if (vacation.days < 1 || vacation.days > max_vacation_days)
    throw PermError("days must be 1 to " + std::to_string(max_vacation_days));
  const auto begin = vacation_moment(vacation.from, false), end = vacation_moment(vacation.until, true);
  if (!vacation.from.empty() && !begin)
    throw PermError("from must be a day (2026-12-28) or a time with its zone (2026-12-28T18:00:00+09:00)");
  if (!vacation.until.empty() && !end)
    throw PermError("until must be a day (2026-12-28) or a time with its zone (2026-12-28T18:00:00+09:00)");
  if (begin && end && *begin >= *end) throw PermError("the reply would end before it begins");
}

std::vector<std::string> vacation_words(const Vacation& vacation) {
  std::vector<std::string> words;
  const auto option = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(name);
    words.push_back(value);
  };
  if (vacation.days != default_vacation_days) option("-d", std::to_string(vacation.days));
  option("-s", vacation.subject);
  option("-f", vacation.from);
  option("-u", vacation.until);
  words.emplace_back("--");
  words.push_back(escaped(vacation.text));
  return words;
}

Vacation parse_vacation_words(const std::vector<std::string>& words) {
  Vacation vacation;
  std::size_t at = 0;
  for (; at + 1 < words.size() && words[at] != "--"; at += 2) {
    const std::string &name = words[at], &value = words[at + 1];
    if (name == "-s") {
      vacation.subject = value;
    } else if (name == "-f") {
      vacation.from = value;
    } else if (name == "-u") {
      vacation.until = value;
    } else if (name == "-d") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), vacation.days);
      if (error != std::errc() || end != value.data() + value.size())
        throw PermError("-d wants a number of days");
    } else {
      throw PermError("no such option: " + name.substr(0, 40));
    }
  }
  if (at < words.size() && words[at] == "--") ++at;
  if (at + 1 != words.size()) throw PermError("one text is wanted behind the options");
  vacation.text = unescaped(words[at]);
  check_vacation(vacation);
  return vacation;
}

std::optional<std::int64_t> vacation_moment(std::string_view day, bool end) {
  std::size_t at = 0;
  struct tm when {};
  const int year = digits(day, at, 4);
  if (year < 0 || !take(day, at, "-")) return std::nullopt;
  const int month = digits(day, at, 2);
  if (month < 0 || !take(day, at, "-")) return std::nullopt;
  const int of_month = digits(day, at, 2);
  if (!day_exists(year, month, of_month)) return std::nullopt;
  when.tm_year = year - 1900;
  when.tm_mon = month - 1;
  when.tm_mday = of_month;
  when.tm_isdst = -1;
  if (at == day.size()) {
    if (end) ++when.tm_mday;  // mktime knows what follows the last day of a month
    return static_cast<std::int64_t>(mktime(&when));
  }
  if (!take(day, at, "Tt ")) return std::nullopt;
  when.tm_hour = digits(day, at, 2);
  if (when.tm_hour < 0 || when.tm_hour > 23 || !take(day, at, ":")) return std::nullopt;
  when.tm_min = digits(day, at, 2);
  if (when.tm_min < 0 || when.tm_min > 59) return std::nullopt;
  if (take(day, at, ":")) {
    when.tm_sec = digits(day, at, 2);
    if (when.tm_sec < 0 || when.tm_sec > 59) return std::nullopt;
  }
  const std::optional<int> east = zone(day, at);
  if (!east) return std::nullopt;
  return static_cast<std::int64_t>(timegm(&when)) - *east;
}

bool vacation_is_on(const Vacation& vacation, std::int64_t now_seconds) {
  const auto begin = vacation_moment(vacation.from, false), end = vacation_moment(vacation.until, true);
  return (!begin || now_seconds >= *begin) && (!end || now_seconds < *end);
}

std::string named_recipient(std::string_view header,
                            const std::function<bool(const std::string& address)>& is_recipient) {
  HeaderFields fields(header);
  while (const std::optional<HeaderField> field = fields.next()) {
    if (!is_recipient_field(*field)) continue;
    const auto addresses = parse_address_list(field->body);
    if (!addresses) continue;
    for (const HeaderAddress& address : *addresses) {
      const std::string raw = address.raw();
      if (!address.domain.empty() && is_clean_address(raw) && is_recipient(raw)) return raw;
    }
  }
  return "";
}

std::optional<std::string> no_reply_reason(const VacationMessage& message) {
  if (message.sender.empty() || message.sender == "#@[]") return "it has the null sender";
  if (!is_clean_address(message.sender) || domain_part(message.sender).empty() ||
      local_part(message.sender).empty())
    return "its sender is no address";
  if (is_machine(local_part(message.sender))) return "its sender is a machine or a list";
  HeaderFields fields(message.header);
  while (const std::optional<HeaderField> field = fields.next()) {
    if (!field->is("Auto-Submitted")) continue;
    const std::string value = unfolded(field->body);
    if (!equal_ignoring_case(std::string_view(value).substr(0, value.find_first_of(" \t;(")), "no"))
      return "a machine has sent it (Auto-Submitted)";
  }
  if (has_field_beginning(message.header, "List-")) return "it comes from a list (List-...)";
  if (has_field_beginning(message.header, "X-Mailing-List") ||
      has_field_beginning(message.header, "Mailing-List") || has_field_beginning(message.header, "X-ML-Name"))
    return "it comes from a list (Mailing-List)";
  if (field_says(message.header, "Precedence", {"bulk", "junk", "list"}))
    return "it was sent to many (Precedence)";
  if (has_field_beginning(message.header, "X-Auto-Response-Suppress") &&
      !field_says(message.header, "X-Auto-Response-Suppress", {"None"}))
    return "it wants no answer of a machine (X-Auto-Response-Suppress)";
  if (field_says(message.header, "X-Spam-Flag", {"YES"})) return "it is marked as spam";
  if (message.named.empty()) return "it does not name the recipient in To or Cc";
  if (equal_ignoring_case(message.sender, message.named)) return "its sender is the recipient";
  return std::nullopt;
}

std::string vacation_reply(const Vacation& vacation, const VacationMessage& message,
                           std::string_view message_id, std::int64_t now_seconds) {
  std::string text = vacation.text;
  if (!text.ends_with('\n')) text += '\n';
  return "Date: " + qmail_date(now_seconds) + "\nFrom: <" + quote_address(message.named) + ">\nTo: <" +
         quote_address(message.sender) + ">\nSubject: " + subject_line(vacation, message.header) +
         "\nMessage-ID: <" + std::string(message_id) + ">\n" + thread_fields(message.header) +
         "Auto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n"
         "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
         "Content-Transfer-Encoding: quoted-printable\n\n" +
         quoted_printable(text);
}

}  // namespace hato

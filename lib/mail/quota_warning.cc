#include "lib/mail/quota_warning.h"

#include <algorithm>
#include <cstdio>

#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/fill_in.h"
#include "lib/mail/notice_text.h"
#include "lib/mail/text_part.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

struct Words {
  std::string_view language, subject, text;
};

constexpr Words shipped[] = {{"ja", "メールボックスの残りがわずかです",
                              "こちらは {host} のメールサーバーです。\n"
                              "{address} のメールボックスは、容量の {percent}% まで使われています。\n"
                              "\n"
                              "    使用量: {used} / {limit}\n"
                              "    通数: {messages} / {messagelimit}\n"
                              "\n"
                              "いっぱいになると、新しいメールを受け取れなくなります。\n"
                              "不要なメールを削除してください。\n"},
                             {"en", "your mailbox is nearly full",
                              "This is the mail server at {host}.\n"
                              "The mailbox of {address} has reached {percent}% of what it may hold.\n"
                              "\n"
                              "    Used: {used} of {limit}\n"
                              "    Messages: {messages} of {messagelimit}\n"
                              "\n"
                              "When it is full, no new mail can be delivered to it.\n"
                              "Please delete what you do not need.\n"}};

constexpr std::string_view subject_field = "Subject:";

struct Filled {
  std::string subject, text;
};

Filled own_words(std::string_view text) {
  Filled own;
  if (text.starts_with(subject_field)) {
    const std::size_t end = text.find('\n');
    own.subject = text.substr(subject_field.size(), end - subject_field.size());
    own.subject.erase(0, std::min(own.subject.find_first_not_of(" \t"), own.subject.size()));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
  own.text = text;
  return own;
}

Filled shipped_words(const std::vector<std::string>& languages) {
  std::vector<const Words*> order;
  for (const std::string& language : languages)
    for (const Words& words : shipped)
      if (words.language == language) order.push_back(&words);
  if (order.empty())
    for (const Words& words : shipped) order.push_back(&words);
  Filled both;
  for (const Words* words : order) {
    if (!both.subject.empty()) both.subject += " / ";
    both.subject += words->subject;
    if (!both.text.empty()) both.text += "\n";
    both.text += words->text;
  }
  return both;
}

// "12.3 MB" of 1 000 000 bytes, as quotas are sold.
std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kilo = 1000, mega = kilo * kilo, giga = mega * kilo;
  const std::uint64_t unit = bytes >= giga ? giga : bytes >= mega ? mega : kilo;
  char text[48];
  snprintf(text, sizeof text, "%llu.%llu %s", static_cast<unsigned long long>(bytes / unit),
           static_cast<unsigned long long>(bytes % unit / (unit / 10)),
           unit == giga   ? "GB"
           : unit == mega ? "MB"
                          : "kB");
  return text;
}

std::uint64_t percent(std::uint64_t used, std::uint64_t limit) {
  return limit == 0 ? 0 : static_cast<std::uint64_t>(static_cast<unsigned __int128>(used) * 100 / limit);
}

std::string one_line(std::string_view text) {
  std::string line = readable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

FillIns fill_ins(const QuotaWarning& warning) {
  const std::uint64_t full = std::max(percent(warning.bytes_used, warning.bytes_limit),
                                      percent(warning.messages_used, warning.messages_limit));
  return {{"host", one_line(warning.host)},
          {"address", one_line(warning.to)},
          {"percent", std::to_string(full)},
          {"used", size_text(warning.bytes_used)},
          {"limit", warning.bytes_limit == 0 ? "-" : size_text(warning.bytes_limit)},
          {"messages", std::to_string(warning.messages_used)},
          {"messagelimit", warning.messages_limit == 0 ? "-" : std::to_string(warning.messages_limit)}};
}

}  // namespace

std::string quota_warning_message(const QuotaWarning& warning, const std::vector<std::string>& languages,
                                  std::string_view own_text) {
  Filled words = shipped_words(languages);
  if (!own_text.empty() && is_utf8(own_text)) {
    Filled own = own_words(own_text);
    if (!own.subject.empty()) words.subject = std::move(own.subject);
    words.text = std::move(own.text);
  }
  const FillIns values = fill_ins(warning);
  const std::string host = one_line(warning.host);
  return "Date: " + qmail_date(warning.date) + "\nFrom: postmaster@" + host +
         "\nTo: " + one_line(quote_address(warning.to)) +
         "\nSubject: " + header_words(one_line(filled_in(words.subject, values))) + "\nMessage-ID: <" +
         warning.id + ".quota@" + host + ">\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n" +
         text_part("text/plain; charset=utf-8", readable(filled_in(words.text, values)));
}

}  // namespace hato

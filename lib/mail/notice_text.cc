#include "lib/mail/notice_text.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "lib/mail/date.h"
#include "lib/mail/diagnosis.h"
#include "lib/mail/fill_in.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

struct Bilingual {
  const char *japanese, *english;
  const char* in(bool japanese_wanted) const { return japanese_wanted ? japanese : english; }
};

struct Shipped {
  NoticeKind kind;
  Bilingual subject, introduction;
};

constexpr Shipped shipped_texts[] = {
    {NoticeKind::failure,
     {"メールを配信できませんでした", "failure notice"},
     {"こちらは {host} のメールサーバーです。\n"
      "お送りになったメールを、次の宛先へ配信できませんでした。\n"
      "このメールの配信は打ち切りました。下の理由をお確かめください。\n",
      "Hi. This is the mail system at {host}.\n"
      "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
      "This is a permanent error; I've given up. Sorry it didn't work out.\n"}},
    {NoticeKind::double_bounce,
     {"エラー通知を配信できませんでした", "failure notice"},
     {"こちらは {host} のメールサーバーです。\n"
      "差出人のないメール (エラー通知など) を、次の宛先へ配信できませんでした。\n",
      "Hi. This is the mail system at {host}.\n"
      "I tried to deliver a bounce message to this address, but the bounce bounced!\n"}},
    {NoticeKind::refused,
     {"エラー通知を受け付けられませんでした", "failure notice"},
     {"こちらは {host} のメールサーバーです。\n"
      "次の宛先へメールを配信できず、それを差出人に知らせるメールも受け付けられませんでした。\n",
      "Hi. This is the mail system at {host}.\n"
      "I wasn't able to deliver a message to the following addresses, and the notice\n"
      "of that to its sender was refused.\n"}},
    {NoticeKind::delay,
     {"メールの配信が遅れています", "delay notice"},
     {"こちらは {host} のメールサーバーです。\n"
      "お送りになったメールを、次の宛先へまだ配信できていません。\n"
      "{until} まで自動的に再送しますので、送り直す必要はありません。\n",
      "Hi. This is the mail system at {host}.\n"
      "I have not been able to deliver your message to the following addresses yet.\n"
      "This is a warning only. You need not send it again: I'll keep trying until\n"
      "{until}.\n"}},
    {NoticeKind::success,
     {"メールの配信のお知らせ", "delivery notice"},
     {"こちらは {host} のメールサーバーです。\n"
      "ご依頼により、お送りになったメールの次の宛先への配信についてお知らせします。\n",
      "Hi. This is the mail system at {host}.\n"
      "You asked to be told when your message reached the following addresses.\n"}},
};

constexpr Bilingual closing = {"お問い合わせには、番号 {trace} をお知らせください。\n",
                               "The message is known as {trace} in our log.\n"};

struct Reason {
  std::string_view status;  // without its class; of the first row that fits
  Bilingual text;
};

// RFC 3463 3, and the codes that large providers use.
constexpr Reason reasons[] = {
    {"1.1",
     {"この宛先は存在しません。つづりをお確かめください。",
      "There is no such address. Please check its spelling."}},
    {"1.2",
     {"宛先の @ より後のドメインが見つかりません。つづりをお確かめください。",
      "The domain behind the @ cannot be found. Please check its spelling."}},
    {"1.3", {"宛先の書き方が正しくありません。", "The address is not written correctly."}},
    {"1.6", {"この宛先は移転しました。", "The mailbox has moved."}},
    {"1.7", {"差出人のアドレスが受け入れられませんでした。", "The sender's address was not accepted."}},
    {"1.8", {"差出人のアドレスが受け入れられませんでした。", "The sender's address was not accepted."}},
    {"1.10", {"宛先のドメインはメールを受け取りません。", "The domain behind the @ takes no mail."}},
    {"2.1", {"宛先のメールボックスは使われていません。", "The mailbox is out of use."}},
    {"2.2", {"宛先のメールボックスがいっぱいです。", "The mailbox is full."}},
    {"2.3", {"メールが大きすぎます。", "The message is too large."}},
    {"3.4", {"メールが大きすぎます。", "The message is too large."}},
    {"4.1", {"相手のサーバーに接続できません。", "The other server does not answer."}},
    {"4.2", {"相手のサーバーとの接続が切れました。", "The connection to the other server broke."}},
    {"4.3", {"宛先のドメインを調べられません。", "The domain behind the @ cannot be looked up."}},
    {"4.4", {"宛先のドメインにメールサーバーがありません。", "The domain behind the @ has no mail server."}},
    {"4.6", {"メールが同じ所を回り続けています。", "The message goes round in circles."}},
    {"4.14", {"メールが同じ所を回り続けています。", "The message goes round in circles."}},
    {"4.7", {"期限までに配信できませんでした。", "It could not be delivered in time."}},
    {"5.3", {"宛先が多すぎます。", "The message has too many recipients."}},
    {"6.7",
     {"相手のサーバーは国際化メールアドレスに対応していません。",
      "The other server does not know internationalized addresses."}},
    {"7.", {"メールの受け取りが拒否されました。", "The message was refused."}},
};

constexpr Bilingual delivered = {"宛先のメールボックスに届きました。",
                                 "The message was put into the mailbox."};
constexpr Bilingual relayed = {
    "宛先のサーバーに渡しました。届いたかどうかの通知は、そこからは来ません。",
    "The message was handed to the next server, which sends no report of its own."};
constexpr Bilingual expanded = {"宛先から転送しました。転送先についての通知はありません。",
                                "The message was forwarded. There will be no report about where to."};

const Bilingual* explanation(const NoticeRecipient& recipient) {
  switch (recipient.action) {
    case Action::delivered:
      return &delivered;
    case Action::relayed:
      return &relayed;
    case Action::expanded:
      return &expanded;
    case Action::failed:
    case Action::delayed:
      break;
  }
  const std::string status = diagnose(recipient).status.substr(2);
  for (const Reason& reason : reasons)
    if (reason.status.ends_with('.') ? status.starts_with(reason.status) : status == reason.status)
      return &reason.text;
  return nullptr;
}

constexpr std::string_view sections[] = {"failure", "double", "delay", "success"};

std::string_view section_of(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::failure:
      break;
    case NoticeKind::double_bounce:
    case NoticeKind::refused:
      return "double";
    case NoticeKind::delay:
      return "delay";
    case NoticeKind::success:
      return "success";
  }
  return "failure";
}

// "2026-11-30 10:00 UTC"
std::string minute(std::int64_t seconds) {
  const CivilTime t = civil_time(seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d UTC", t.year, t.month, t.day, t.hour, t.minute);
  return text;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

std::string_view without_trailing_blanks(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
    line.remove_suffix(1);
  return line;
}

// [failure]
std::optional<std::string_view> section_line(std::string_view line) {
  if (!line.starts_with('[') || !line.ends_with(']')) return std::nullopt;
  return line.substr(1, line.size() - 2);
}

}  // namespace

std::string readable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_utf8(text, at);
    if (c == invalid_utf8)
      append_utf8(out, 0xfffd);
    else if ((c < 32 && c != '\t' && c != '\n') || (c >= 127 && c < 160))
      out += '?';
    else
      out += text.substr(begin, at - begin);
  }
  return out;
}

NoticeTexts::NoticeTexts(const std::vector<std::string>& languages) {
  for (const std::string& language : languages)
    if (language == "ja" || language == "en") japanese_.push_back(language == "ja");
  if (japanese_.empty()) japanese_ = {true, false};
}

std::vector<std::string> NoticeTexts::take_own(std::string_view text) {
  if (!is_utf8(text)) return {"bouncetext is not UTF-8; it is not used"};
  std::vector<std::string> complaints;
  std::map<std::string, NoticeWords, std::less<>> own;
  std::string section = "failure";
  bool begun = false;  // a line of the section that counts was seen
  while (!text.empty()) {
    const std::string_view line = without_trailing_blanks(take_line(text));
    if (const auto name = section_line(line)) {
      section = std::string(*name);
      begun = false;
      if (std::find(std::begin(sections), std::end(sections), *name) == std::end(sections))
        complaints.push_back("bouncetext has a section [" + readable(*name) + "] that means nothing");
      continue;
    }
    NoticeWords& words = own[section];
    if (!begun && line.empty()) continue;
    if (!begun && words.subject.empty() && line.starts_with("Subject: ")) {
      words.subject = readable(line.substr(9));
      continue;
    }
    begun = true;
    words.text += readable(line) + "\n";
  }
  for (auto& [name, words] : own) {
    while (words.text.ends_with("\n\n")) words.text.pop_back();
    if (words.text.empty()) continue;
    if (words.text.find("{recipients}") == std::string::npos) words.text += "\n{recipients}";
    own_[name] = words;
  }
  return complaints;
}

NoticeWords NoticeTexts::shipped(NoticeKind kind) const {
  const Shipped& row = *std::find_if(std::begin(shipped_texts), std::end(shipped_texts),
                                     [kind](const Shipped& s) { return s.kind == kind; });
  NoticeWords words;
  for (const bool japanese : japanese_) words.text += std::string(row.introduction.in(japanese)) + "\n";
  words.text += "{recipients}";
  for (const bool japanese : japanese_) words.text += closing.in(japanese);
  // Tools look for the English words at the start.
  const bool english = std::find(japanese_.begin(), japanese_.end(), false) != japanese_.end();
  const bool both = english && std::find(japanese_.begin(), japanese_.end(), true) != japanese_.end();
  words.subject = row.subject.in(!english);
  if (both) words.subject += std::string(" (") + row.subject.japanese + ")";
  return words;
}

std::string NoticeTexts::paragraph(const NoticeRecipient& recipient) const {
  std::string text = "<" + one_line(readable(recipient.address)) + ">:\n";
  if (const Bilingual* why = explanation(recipient))
    for (const bool japanese : japanese_) text += std::string(why->in(japanese)) + "\n";
  // What qmail-local says of a success ("did 1+0+0") is for the log.
  const bool told =
      recipient.remote || recipient.action == Action::failed || recipient.action == Action::delayed;
  std::string report = told ? readable(recipient.report) : "";
  while (report.ends_with('\n')) report.pop_back();
  if (!report.empty()) text += report + "\n";
  return text + "\n";
}

NoticeWords NoticeTexts::words(const NoticeFacts& facts) const {
  NoticeWords words = shipped(facts.kind);
  if (const auto own = own_.find(section_of(facts.kind)); own != own_.end()) {
    words.text = own->second.text;
    if (!own->second.subject.empty()) words.subject = own->second.subject;
  }
  FillIns values{{"host", one_line(readable(facts.host))},
                 {"sender", one_line(readable(facts.sender))},
                 {"trace", one_line(readable(facts.trace))},
                 {"arrival", minute(facts.arrival)},
                 {"until", minute(facts.until)},
                 {"recipients", ""}};
  words.subject = one_line(filled_in(words.subject, values));
  std::string& recipients = values["recipients"];
  if (facts.kind == NoticeKind::refused)
    recipients += "<" + values["sender"] + ">:\n" + readable(facts.refusal) + "\n\n";
  for (const NoticeRecipient& recipient : facts.recipients) recipients += paragraph(recipient);
  words.text = filled_in(words.text, values);
  return words;
}

}  // namespace hato

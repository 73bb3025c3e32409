// The words of a notice that a person reads. Shipped in Japanese and English; control/bouncetext has the
// operator's own. Pure. All text is UTF-8 with LF line ends.
//
// control/bouncetext: sections, each begun by a line [failure], [double], [delay] or [success] ([double] is
// for the postmaster); a file without such a line is the failure text. The first line of a section may be
// "Subject: …". {host}, {sender}, {trace}, {arrival}, {until} and {recipients} are filled in; without
// {recipients} they follow the text. A section that is missing has the shipped words.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/notice.h"

namespace hato {

struct NoticeWords {
  std::string subject;  // one line
  std::string text;
};

class NoticeTexts {
 public:
  // control/bouncelanguage: "ja", "en", in the order of the shipped text. Unknown ones are skipped; without a
  // known one it is both.
  explicit NoticeTexts(const std::vector<std::string>& languages = {});

  // Takes the sections of control/bouncetext. Returns what is wrong with it, a line each; what is wrong is
  // not taken.
  std::vector<std::string> take_own(std::string_view text);

  NoticeWords words(const NoticeFacts& facts) const;

 private:
  NoticeWords shipped(NoticeKind kind) const;
  std::string paragraph(const NoticeRecipient& recipient) const;

  std::vector<bool> japanese_;  // the languages in order: true is Japanese, false English
  std::map<std::string, NoticeWords, std::less<>> own_;  // by section
};

// Text from outside for a person's eyes: UTF-8 stays, a byte that belongs to none becomes U+FFFD, a control
// character other than tab and LF a '?'.
std::string readable(std::string_view text);

}  // namespace hato

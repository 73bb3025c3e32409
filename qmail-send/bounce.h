// The text of a failure notice: qmail's QSBMF form (qmail-send bounce message format). Pure: facts in, text
// out; the copy of the message follows it and is streamed by whoever injects the notice.
//
// A QSBMF notice is paragraphs: the introduction ("Hi. This is the ..."), one a recipient that begins with
// "<", and a break that begins with "-", after which comes the copy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct BouncedRecipient {
  std::string address;  // raw
  std::string report;   // why, LF line ends
};

struct BounceFacts {
  std::string from;       // raw address of the notice's From field: bouncefrom@bouncehost
  std::string host;       // bouncehost
  std::string to;         // raw address that gets the notice
  std::string sender;     // the failed message's envelope sender, as it was; "" makes this a double bounce
  std::string trace;      // the failed message's trace id
  std::string id;         // its queue id
  std::int64_t date = 0;  // seconds since 1970
  std::vector<BouncedRecipient> recipients;
  // Set when a notice to the sender was refused for good and this one goes to the double-bounce address.
  std::string refusal;
};

// True when nobody but the double-bounce address can be told.
inline bool is_double_bounce(const BounceFacts& facts) {
  return facts.sender.empty() || !facts.refusal.empty();
}

// One recipient's paragraph: "<address>:" and the report, with no empty line inside, then an empty line.
std::string bounce_paragraph(const BouncedRecipient& recipient);

// Header fields, introduction, recipients, the break, and the Return-Path line of the copy.
std::string bounce_text(const BounceFacts& facts);

}  // namespace hato

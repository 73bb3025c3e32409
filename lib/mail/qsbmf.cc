#include "lib/mail/qsbmf.h"

#include "lib/mail/address.h"
#include "lib/mail/date.h"

namespace hato {

namespace {

constexpr std::string_view single_introduction =
    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    "This is a permanent error; I've given up. Sorry it didn't work out.\n";
constexpr std::string_view double_introduction =
    "I tried to deliver a bounce message to this address, but the bounce bounced!\n";
constexpr std::string_view refused_introduction =
    "I wasn't able to deliver a message to the following addresses, and the notice\n"
    "of that to its sender was refused.\n";

// An address must not open a line of its own.
std::string in_one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (c == '\n') c = '_';
  return line;
}

std::string header_address(std::string_view raw) {
  return in_one_line(quote_address(raw));
}

std::string_view introduction(NoticeKind kind) {
  if (kind == NoticeKind::refused) return refused_introduction;
  return kind == NoticeKind::double_bounce ? double_introduction : single_introduction;
}

}  // namespace

std::string qsbmf_paragraph(const std::string& address, const std::string& why) {
  std::string_view report = why;
  while (report.ends_with('\n')) report.remove_suffix(1);
  std::string text = "<" + in_one_line(address) + ">:\n";
  if (!report.empty()) text += std::string(report) + "\n";
  // An empty line would end the paragraph: the second of two newlines becomes a slash, seen from the end.
  for (std::size_t i = text.size() - 2; i > 0; --i)
    if (text[i] == '\n' && text[i - 1] == '\n') text[i] = '/';
  return text + "\n";
}

std::string qsbmf_text(const NoticeFacts& facts, bool header_only) {
  std::string text = "Date: " + qmail_date(facts.date) + "\n";
  text += "From: " + header_address(facts.from) + "\n";
  text += "To: " + header_address(facts.to) + "\n";
  text += "Subject: failure notice\n";
  text += "Message-ID: <" + facts.id + ".bounce." + facts.trace + "@" + in_one_line(facts.host) + ">\n";
  text += "Auto-Submitted: auto-replied\n";
  if (facts.kind != NoticeKind::failure)
    text += std::string(double_bounce_field) + ": " + in_one_line(facts.host) + "\n";
  text += "\n";
  text += "Hi. This is the qmail-send program at " + in_one_line(facts.host) + ".\n";
  text += introduction(facts.kind);
  text += "The message is known as " + facts.trace + " in our log.\n\n";
  if (facts.kind == NoticeKind::refused) text += qsbmf_paragraph(facts.sender, facts.refusal);
  for (const NoticeRecipient& recipient : facts.recipients)
    text += qsbmf_paragraph(recipient.address, recipient.report);
  text += "--- Below this line is ";
  if (facts.sender.empty())
    text += header_only ? "the header of the original bounce.\n\n" : "the original bounce.\n\n";
  else
    text += header_only ? "the header of the message.\n\n" : "a copy of the message.\n\n";
  text += "Return-Path: <" + header_address(facts.sender) + ">\n";
  return text;
}

}  // namespace hato

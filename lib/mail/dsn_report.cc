#include "lib/mail/dsn_report.h"

#include <algorithm>

#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/diagnosis.h"
#include "lib/mail/text_part.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

constexpr std::size_t reports_limit =
    20;  // lines of a report that is no server's answer, for Diagnostic-Code
constexpr std::size_t answer_limit = 2000;  // lines of an answer: lib/net/smtp_reply.h

// Text in one line of a field: nothing that could end it.
std::string field_text(std::string_view text, bool utf8) {
  std::string out;
  for (const char c : readable(text)) out += c == '\n' || c == '\t' ? ' ' : c;
  if (!utf8)
    for (char& c : out)
      if (static_cast<unsigned char>(c) >= 128) c = '?';
  return out;
}

// A line of the machine part.
std::string report_text(std::string_view text, bool utf8) {
  std::string line = field_text(text, utf8);
  if (line.size() > report_line_limit) line = readable(line.substr(0, report_line_limit));
  return line;
}

std::string header_address(std::string_view raw) {
  return field_text(quote_address(raw), true);
}

bool needs_utf8(const NoticeFacts& facts) {
  return facts.smtputf8 || !is_ascii(facts.sender) ||
         std::any_of(facts.recipients.begin(), facts.recipients.end(),
                     [](const NoticeRecipient& recipient) { return !is_ascii(recipient.address); });
}

std::string diagnostic(const Diagnosis& diagnosis, bool utf8) {
  std::string field;
  std::size_t left = diagnosis.smtp ? answer_limit : reports_limit;
  for (const std::string& line : diagnosis.lines) {
    if (left-- == 0) break;
    const std::string text = report_text(line, utf8);
    if (text.find_first_not_of(' ') == std::string::npos) continue;  // a fold must not be empty
    field +=
        (field.empty() ? std::string("Diagnostic-Code: ") + (diagnosis.smtp ? "smtp; " : "x-qmail; ") : " ") +
        text + "\n";
  }
  return field;
}

std::string remote_mta(const std::string& ip) {
  return "Remote-MTA: dns; [" + std::string(ip.find(':') == std::string::npos ? "" : "IPv6:") + ip + "]\n";
}

std::string recipient_fields(const NoticeFacts& facts, const NoticeRecipient& recipient, bool utf8) {
  const Diagnosis diagnosis = diagnose(recipient);
  std::string fields = "\n";
  if (recipient.original)
    fields += "Original-Recipient: " + report_text(report_address(*recipient.original, utf8), utf8) + "\n";
  fields += "Final-Recipient: " + report_text(report_address(recipient.address, utf8), utf8) + "\n";
  fields += std::string("Action: ") + action_name(recipient.action) + "\n";
  fields += "Status: " + diagnosis.status + "\n";
  if (!diagnosis.remote_mta.empty()) fields += remote_mta(diagnosis.remote_mta);
  if (diagnosis.smtp || recipient.action == Action::failed || recipient.action == Action::delayed)
    fields += diagnostic(diagnosis, utf8);
  if (recipient.action == Action::delayed)
    fields += "Will-Retry-Until: " + rfc5322_date(facts.until, 0) + "\n";
  return fields;
}

std::string delivery_status(const NoticeFacts& facts, bool utf8) {
  std::string fields = "Reporting-MTA: dns; " + report_text(facts.reporter, utf8) + "\n";
  if (!facts.envid.empty()) fields += "Original-Envelope-Id: " + report_text(facts.envid, utf8) + "\n";
  fields += "Arrival-Date: " + rfc5322_date(facts.arrival, 0) + "\n";
  fields += "X-Qmail-Trace: " + report_text(facts.trace, utf8) + "\n";
  for (const NoticeRecipient& recipient : facts.recipients)
    fields += recipient_fields(facts, recipient, utf8);
  return fields;
}

std::string message_header(const NoticeFacts& facts, const NoticeWords& words, bool utf8, bool eight_bit,
                           std::string_view boundary) {
  std::string header = "Date: " + qmail_date(facts.date) + "\n";
  header += "From: " + header_address(facts.from) + "\n";
  header += "To: " + header_address(facts.to) + "\n";
  header += "Subject: " + header_words(words.subject) + "\n";
  header +=
      "Message-ID: <" + facts.id + ".bounce." + facts.trace + "@" + field_text(facts.host, false) + ">\n";
  header += "Auto-Submitted: auto-replied\n";
  if (facts.kind == NoticeKind::double_bounce || facts.kind == NoticeKind::refused)
    header += std::string(double_bounce_field) + ": " + field_text(facts.host, false) + "\n";
  header += "MIME-Version: 1.0\n";
  header += std::string("Content-Type: multipart/report; report-type=") +
            (utf8 ? "global-delivery-status" : "delivery-status") + ";\n boundary=\"" +
            std::string(boundary) + "\"\n";
  if (eight_bit) header += "Content-Transfer-Encoding: 8bit\n";
  return header + "\n";
}

}  // namespace

void OriginalScan::feed(std::string_view piece) {
  for (const char c : piece) {
    const bool line_end = c == '\n';
    if (!header_done_) {
      if (line_end && column_ == 0)
        header_done_ = true;
      else if (!header_full_)
        header_ += c;
      if (!header_full_ && header_.size() > returned_header_limit) {
        header_full_ = true;
        header_.resize(header_.rfind('\n') + 1);  // npos + 1: nothing, of one endless line
      }
    }
    column_ = line_end ? 0 : column_ + 1;
    if (static_cast<unsigned char>(c) >= 128) eight_bit_ = true;
    if (c == '\0' || c == '\r' || column_ > longest_message_line) fits_ = false;
  }
}

NoticeMessage dsn_report(const NoticeFacts& facts, const NoticeTexts& texts, const OriginalScan& original,
                         bool want_whole, std::string_view boundary) {
  const bool utf8 = needs_utf8(facts);
  const NoticeWords words = texts.words(facts);
  NoticeMessage message;
  message.whole = want_whole && original.fits();
  const bool eight_bit = message.whole && original.eight_bit();
  const bool to_utf8 = !is_ascii(facts.to);
  if (eight_bit || to_utf8) message.params = "BODY=8BITMIME";
  if (to_utf8) message.params += " SMTPUTF8";

  const std::string separator = "--" + std::string(boundary);
  std::string& head = message.head;
  head = message_header(facts, words, utf8, eight_bit, boundary);
  head += separator + "\n" + text_part("text/plain; charset=utf-8", words.text);
  head += "\n" + separator + "\n" +
          text_part(utf8 ? "message/global-delivery-status" : "message/delivery-status",
                    delivery_status(facts, utf8));
  head += "\n" + separator + "\n";

  const std::string return_path = "Return-Path: <" + header_address(facts.sender) + ">\n";
  message.tail = "\n" + separator + "--\n";
  if (message.whole) {
    head += std::string("Content-Type: ") + (utf8 ? "message/global" : "message/rfc822") + "\n";
    if (eight_bit) head += "Content-Transfer-Encoding: 8bit\n";
    head += "\n" + return_path;
    if (!original.ends_line()) message.tail.insert(0, "\n");
  } else {
    const bool named = is_utf8(original.header()) && !is_ascii(original.header());
    const std::string plain = std::string("text/rfc822-headers") + (named ? "; charset=utf-8" : "");
    head += text_part(utf8 ? "message/global-headers" : plain, return_path + original.header());
  }
  return message;
}

}  // namespace hato

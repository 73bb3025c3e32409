// A notice made of anything: the report of a delivery, the address, the original and the operator's words.
// What comes out is a message whose header and machine part nobody else wrote a field of, in lines that are
// not too long, in ASCII where it says so.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/diagnosis.h"
#include "lib/mail/dsn_report.h"
#include "lib/mail/header.h"
#include "lib/mail/utf8.h"

using namespace hato;

namespace {

constexpr std::string_view boundary = "=_boundary";

void require(bool fact) {
  if (!fact) std::abort();
}

constexpr std::string_view known_fields[] = {"Date",
                                             "From",
                                             "To",
                                             "Subject",
                                             "Message-ID",
                                             "MIME-Version",
                                             "Auto-Submitted",
                                             "Content-Type",
                                             "X-Double-Bounce",
                                             "Content-Transfer-Encoding",
                                             "Reporting-MTA",
                                             "Arrival-Date",
                                             "Action",
                                             "Status",
                                             "Original-Envelope-Id",
                                             "X-Qmail-Trace",
                                             "Remote-MTA",
                                             "Final-Recipient",
                                             "Original-Recipient",
                                             "Diagnostic-Code",
                                             "Will-Retry-Until"};

// Returns what stands behind the fields.
std::string_view check_fields(std::string_view text) {
  HeaderFields fields(text);
  while (const auto field = fields.next()) {
    bool known = false;
    for (const std::string_view name : known_fields) known = known || field->name == name;
    require(known);
  }
  return text.substr(fields.offset());
}

void check_lines(std::string_view text) {
  std::size_t column = 0;
  for (const char c : text) {
    require(c != '\r' && c != '\0');
    column = c == '\n' ? 0 : column + 1;
    require(column <= 998);
  }
}

std::string_view cut(std::string_view& rest, char at) {
  const std::size_t end = std::min(rest.find(at), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string_view report = cut(rest, '\0');
  if (report.find(boundary) != std::string_view::npos) return 0;  // a real one nobody knows beforehand

  NoticeTexts texts;
  if (choice & 16) texts.take_own(report);
  NoticeFacts facts;
  facts.kind = static_cast<NoticeKind>(choice % 5);
  facts.host = facts.reporter = "me.example";
  facts.from = "MAILER-DAEMON@me.example";
  facts.trace = "0123456789abc";
  NoticeRecipient recipient;
  recipient.address = std::string(cut(report, '\n'));
  recipient.report = std::string(report);
  recipient.action = static_cast<Action>(choice % 5);
  recipient.remote = choice % 2 == 0;
  facts.to = facts.sender = facts.envid = facts.refusal = recipient.address;
  facts.recipients = {recipient};

  const Diagnosis diagnosis = diagnose(recipient);
  require(diagnosis.status.size() >= 5 && diagnosis.status.size() <= 9);
  success_action(recipient.remote, recipient.report);

  OriginalScan original;
  original.feed(rest);
  const NoticeMessage notice = dsn_report(facts, texts, original, choice & 32, boundary);
  if (notice.whole) require(original.fits());
  // The operator's words may say that, too, but not behind a boundary.
  constexpr std::string_view machine_part = "\n--=_boundary\nContent-Type: message/";
  const std::size_t machine = notice.head.find(machine_part);
  require(machine != std::string::npos);
  std::string_view status = std::string_view(notice.head).substr(notice.head.find('\n', machine + 1) + 1);
  check_lines(status.substr(0, status.find("\n--=_boundary")));
  check_fields(notice.head);
  if (status.starts_with("Content-Type: message/delivery-status\n\n")) {
    std::string_view fields = check_fields(status);
    while (fields.starts_with("\n") && !fields.starts_with("\n--=_boundary\n"))
      fields = check_fields(fields.substr(1));
    require(fields.starts_with("\n--=_boundary\n"));
    require(is_ascii(status.substr(0, status.find("\n--=_boundary"))));
  }
  return 0;
}

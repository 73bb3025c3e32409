#include "remote/qmtp_delivery.h"

#include <algorithm>
#include <optional>

#include "lib/mail/netstring.h"
#include "lib/store/message_file.h"

namespace hato {

namespace {

constexpr std::size_t flush_at = 64U << 10;
constexpr std::int64_t last_words_seconds = 5;
constexpr char not_qmtp[] = "The connection was given up: what it says is not QMTP.\n";

struct Answers {
  std::vector<std::string> texts;  // in the order of the recipients; each begins with K, Z or D
  bool not_qmtp = false;           // what came then was none
  bool more = false;               // something came behind the last one
};

bool is_answer(std::string_view text) {
  return !text.empty() && (text[0] == 'K' || text[0] == 'Z' || text[0] == 'D');
}

// Until there is one for each recipient, or nothing more comes.
Answers read_answers(Connection& connection, std::size_t recipients, std::int64_t seconds) {
  Answers answers;
  std::string bytes;
  try {
    while (answers.texts.size() < recipients) {
      std::string_view rest = bytes, text;
      const NetstringTake take = take_netstring(rest, text, max_qmtp_answer);
      if (take == NetstringTake::more) {
        bytes += connection.read_octets(Deadline::in_seconds(seconds));
        continue;
      }
      if (take != NetstringTake::complete || !is_answer(text)) {
        answers.not_qmtp = true;
        break;
      }
      answers.texts.emplace_back(text);
      bytes.erase(0, bytes.size() - rest.size());
    }
    answers.more = !bytes.empty();
  } catch (const ConnectionLost&) {
  }
  return answers;
}

// False: the connection broke, or the server spoke, before the last octet was on its way.
bool send_package(Connection& connection, const QmtpMessage& message) {
  MessageFile file(message.fd);
  std::string envelope, recipients;
  append_netstring(envelope, message.sender);
  for (const std::string& recipient : message.recipients) append_netstring(recipients, recipient);
  append_netstring(envelope, recipients);
  try {
    connection.put(std::to_string(static_cast<std::uint64_t>(file.size()) + 1) + ":\n");
    for (off_t at = 0; at < file.size();) {
      const std::string_view piece = file.piece(at);
      connection.put(piece);
      at += static_cast<off_t>(piece.size());
      if (connection.out().size() >= flush_at) connection.flush();
    }
    connection.put(",");
    connection.put(std::string_view(envelope).substr(0, envelope.size() - 1));
    connection.flush();
    if (!connection.quiet()) return false;  // it has closed, or speaks before it has been asked
  } catch (const ConnectionLost&) {
    return false;
  }
  try {
    connection.put(",");
    connection.flush();
  } catch (const ConnectionLost&) {  // whether it got the last octet its answers tell
  }
  return true;
}

std::string said(std::string_view answer) {
  std::string text(answer.substr(1));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return text.empty() ? text : "Remote host said: " + text + "\n";
}

void report_answers(const std::string& ip, const Answers& answers, std::size_t recipients, bool whole,
                    Report& report) {
  std::string_view accepted;
  for (const std::string& answer : answers.texts) {
    if (answer[0] == 'K') {
      accepted = answer;
      report.recipient('r', "");
    } else {
      report.recipient(answer[0] == 'D' ? 'h' : 's', ip + " does not like recipient.\n" + said(answer));
    }
  }
  std::string lost = "Connected to " + ip + " but connection died. ";
  if (whole) lost += "Possible duplicate! ";
  lost += "(#4.4.2)\n";
  if (answers.not_qmtp) lost += not_qmtp;
  const bool all = answers.texts.size() == recipients;
  if (!all && accepted.empty()) return report.message('Z', lost);
  for (std::size_t i = answers.texts.size(); i < recipients; ++i) report.recipient('s', lost);
  if (accepted.empty()) return report.message('D', "Giving up on " + ip + ".\n");
  report.message('K', ip + " accepted message.\n" + said(accepted));
}

}  // namespace

QmtpOutcome deliver_by_qmtp(Connection& connection, const QmtpMessage& message, std::int64_t timeout_seconds,
                            Report& report, std::string& failure) {
  const std::string ip = connection.peer().address.text();
  const bool whole = send_package(connection, message);
  const std::size_t recipients = message.recipients.size();
  const Answers answers = read_answers(connection, recipients, whole ? timeout_seconds : last_words_seconds);
  if (!whole && answers.texts.empty()) {
    failure = "Connected to " + ip + " but connection died. (#4.4.2)\n" + (answers.not_qmtp ? not_qmtp : "");
    return QmtpOutcome::not_taken;
  }
  report_answers(ip, answers, recipients, whole, report);
  const bool all = whole && answers.texts.size() == recipients && !answers.not_qmtp && !answers.more;
  return all ? QmtpOutcome::answered : QmtpOutcome::reported;
}

}  // namespace hato

#include "remote/delivery.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/net/tcp.h"

namespace hato {

namespace {

constexpr unsigned ready = 220;
constexpr unsigned closing = 421;

bool is_ascii(std::string_view text) {
  return !needs_smtputf8(text);
}

// The form for MAIL and RCPT. Where the server has no SMTPUTF8 a domain in UTF-8 is written with A-labels.
std::string smtp_address(const std::string& raw, bool smtputf8) {
  if (smtputf8 || is_ascii(raw)) return quote_address(raw);
  const std::optional<std::string> domain = to_ascii_domain(domain_part(raw));
  if (!domain) return quote_address(raw);
  return quote_address(std::string(local_part(raw)) + "@" + *domain);
}

struct AddressedEnvelope {
  SmtpEnvelope envelope;
  std::string unsendable;  // an address that this server cannot take
};

AddressedEnvelope address(const Envelope& envelope, bool offered) {
  AddressedEnvelope result;
  SmtpEnvelope& smtp = result.envelope;
  smtp.smtputf8 = envelope.smtputf8 || !is_ascii(envelope.sender);
  for (const std::string& recipient : envelope.recipients)
    if (!is_ascii(recipient)) smtp.smtputf8 = true;
  const auto write = [&](const std::string& raw) {
    std::string text = smtp_address(raw, offered);
    if (!offered && !is_ascii(text)) result.unsendable = raw;
    return text;
  };
  smtp.mail_from = write(envelope.sender);
  for (const std::string& recipient : envelope.recipients) smtp.rcpt_to.push_back(write(recipient));
  return result;
}

bool said_goodbye(const SmtpTransaction& transaction) {
  if (transaction.mail.code == closing || transaction.data.code == closing) return true;
  return !transaction.recipients.empty() && transaction.recipients.back().code == closing;
}

bool is_sendable(std::string_view address) {
  return std::none_of(address.begin(), address.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

}  // namespace

std::optional<std::string> unsendable_address(const Envelope& envelope) {
  if (!is_sendable(envelope.sender)) return envelope.sender;
  for (const std::string& recipient : envelope.recipients)
    if (!is_sendable(recipient)) return recipient;
  return std::nullopt;
}

void Delivery::run(Exchangers& exchangers, Report& report) {
  std::optional<Target> target = exchangers.next();
  if (!target) return report.message(exchangers.why_none().letter, exchangers.why_none().text);
  for (std::size_t tried = 0; target && tried < max_addresses_tried; ++tried, target = exchangers.next())
    if (try_target(*target, report)) return;
  report.message('Z', last_failure_.empty()
                          ? "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
                          : last_failure_);
}

// True when the report is complete; false: try the next one.
bool Delivery::try_target(const Target& target, Report& report) {
  const std::uint16_t port = settings_.route ? settings_.route->port : smtp_port;
  const IpAddress& address = target.address;
  const std::int64_t now = now_seconds();
  if (tcpto_.dead(address, port, now, static_cast<unsigned>(getpid()))) return false;
  TcpConnection tcp = connect_tcp(address, port, Deadline::in_seconds(settings_.timeout_connect));
  if (tcp.error == ETIMEDOUT)
    tcpto_.timed_out(address, port, now_seconds());
  else
    tcpto_.answered(address, port);
  if (!tcp.fd) return false;

  Connection connection(std::move(tcp.fd), {address, port}, settings_.timeout_remote);
  SmtpClient client(connection, settings_.helo_host);
  SmtpTransaction transaction;
  const std::string ip = address.text();
  try {
    const bool complete = converse(client, transaction, ip, report);
    client.quit();
    return complete;
  } catch (const ConnectionLost& lost) {
    std::string text = "Connected to " + ip + " but connection died. ";
    if (transaction.content_ended) text += "Possible duplicate! ";
    text += "(#4.4.2)\n";
    if (lost.why() == ConnectionLost::Why::protocol)
      text += "The connection was given up: " + lost.text() + "\n";
    if (!transaction.content_begun && refused(transaction)) {
      report_transaction(transaction, ip, report);
      return true;
    }
    if (!transaction.content_begun) {
      last_failure_ = text;
      return false;
    }
    report_recipients(transaction, ip, report);
    report.message('Z', text);
    return true;
  }
}

// The server said what it thinks of this message before it went away.
bool Delivery::refused(const SmtpTransaction& transaction) const {
  if (said_goodbye(transaction)) return false;
  if (transaction.mail.code != 0 && !transaction.mail.positive()) return true;
  return transaction.recipients.size() == envelope_.recipients.size() && !transaction.any_accepted();
}

bool Delivery::converse(SmtpClient& client, SmtpTransaction& transaction, const std::string& ip,
                        Report& report) {
  if (const SmtpReply greeting = client.greeting(); greeting.code != ready) {
    last_failure_ = "Connected to " + ip + " but greeting failed.\n" + remote_host_said(greeting);
    return false;
  }
  if (const SmtpReply hello = client.hello(); !hello.positive()) {
    last_failure_ = "Connected to " + ip + " but my name was rejected.\n" + remote_host_said(hello);
    return false;
  }
  const SmtpExtensions& offered = client.extensions();
  if (offered.size_limit > 0 && message_.wire_size() > offered.size_limit) {
    report.message('D', "Connected to " + ip + " but the message is too large for it: " +
                            std::to_string(message_.wire_size()) + " bytes, and it takes " +
                            std::to_string(offered.size_limit) + " at most. (#5.3.4)\n");
    return true;
  }
  const AddressedEnvelope addressed = address(envelope_, offered.smtputf8);
  if (!addressed.unsendable.empty()) {
    report.message('D', "Connected to " + ip +
                            " but it does not know internationalized addresses (SMTPUTF8) like " +
                            addressed.unsendable + ". (#5.6.7)\n");
    return true;
  }
  client.send(addressed.envelope, message_, transaction, true);
  if (!transaction.content_begun && said_goodbye(transaction)) {
    const SmtpReply& said = transaction.data.code == closing ? transaction.data
                            : transaction.recipients.empty() ? transaction.mail
                                                             : transaction.recipients.back();
    last_failure_ = "Connected to " + ip + " but it closed the session.\n" + remote_host_said(said);
    return false;
  }
  report_transaction(transaction, ip, report);
  return true;
}

void Delivery::report_recipients(const SmtpTransaction& transaction, const std::string& ip, Report& report) {
  for (const SmtpReply& reply : transaction.recipients) {
    if (reply.positive())
      report.recipient('r', "");
    else
      report.recipient(reply.permanent() ? 'h' : 's',
                       ip + " does not like recipient.\n" + remote_host_said(reply));
  }
}

void Delivery::report_transaction(const SmtpTransaction& transaction, const std::string& ip, Report& report) {
  const auto letter = [](const SmtpReply& reply) { return reply.permanent() ? 'D' : 'Z'; };
  if (!transaction.mail.positive()) {
    report.message(letter(transaction.mail),
                   "Connected to " + ip + " but sender was rejected.\n" + remote_host_said(transaction.mail));
    return;
  }
  report_recipients(transaction, ip, report);
  if (!transaction.any_accepted()) return report.message('D', "Giving up on " + ip + ".\n");
  if (!transaction.content_begun)
    return report.message(letter(transaction.data),
                          ip + " failed on DATA command.\n" + remote_host_said(transaction.data));
  if (!transaction.message.positive())
    return report.message(letter(transaction.message),
                          ip + " failed after I sent the message.\n" + remote_host_said(transaction.message));
  report.message('K', ip + " accepted message.\n" + remote_host_said(transaction.message));
}

}  // namespace hato

#include "remote/delivery.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/mail/dsn.h"
#include "lib/net/tcp.h"
#include "remote/opening.h"
#include "remote/qmtp_delivery.h"

namespace hato {

namespace {

constexpr unsigned closing = 421;

bool is_ascii(std::string_view text) {
  return !needs_smtputf8(text);
}

// The form for MAIL and RCPT. Without SMTPUTF8 a domain in UTF-8 is written with A-labels.
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

// SMTPUTF8 is asked of the server only when it must be: the message came with it, or a local part needs it. A
// domain alone goes by A-labels, which every server on the way understands.
AddressedEnvelope address(const RemoteEnvelope& envelope, bool offered) {
  AddressedEnvelope result;
  SmtpEnvelope& smtp = result.envelope;
  smtp.smtputf8 = envelope.smtputf8 || !is_ascii(local_part(envelope.sender));
  for (const std::string& recipient : envelope.recipients)
    if (!is_ascii(local_part(recipient))) smtp.smtputf8 = true;
  const auto write = [&](const std::string& raw) {
    std::string text = smtp_address(raw, offered && smtp.smtputf8);
    if (!offered && !is_ascii(text)) result.unsendable = raw;
    return text;
  };
  smtp.mail_from = write(envelope.sender);
  smtp.dsn = envelope.dsn;
  for (const std::string& recipient : envelope.recipients)
    smtp.rcpt_to.push_back({write(recipient), envelope.recipient_dsn});
  return result;
}

// A failure that is the other host's, or of the way there; not one of this host's own.
bool is_hosts_failure(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case EPROTO:
    case ENOPROTOOPT:
      return true;
    default:
      return false;
  }
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

std::optional<std::string> unsendable_address(const RemoteEnvelope& envelope) {
  if (!is_sendable(envelope.sender)) return envelope.sender;
  for (const std::string& recipient : envelope.recipients)
    if (!is_sendable(recipient)) return recipient;
  return std::nullopt;
}

void Delivery::run(std::unique_ptr<Session>& kept, const std::function<Exchangers()>& look_up,
                   Report& report) {
  const bool qmtp = kept && kept->qmtp;
  if (!kept ||
      !(qmtp ? try_package(std::move(kept), false, report) : try_session(std::move(kept), false, report))) {
    last_failure_.clear();
    Exchangers exchangers = look_up();
    if (!try_all(exchangers, report) && in_trouble_) host_ = HostSays::trouble;
  }
  kept = std::move(stays_open_);
}

// False: no address could be used, or there was none.
bool Delivery::try_all(Exchangers& exchangers, Report& report) {
  std::optional<Target> target = exchangers.next();
  if (!target) {
    report.message(exchangers.why_none().letter, exchangers.why_none().text);
    return false;
  }
  for (std::size_t tried = 0; target && tried < max_addresses_tried; target = exchangers.next())
    if (try_targets(exchangers, *target, tried, report)) return true;
  report.about_connection({});
  if (!last_failure_.empty()) {
    report.message('Z', last_failure_);
    return false;
  }
  if (not_reached_count_ > max_addresses_named)
    not_reached_ += "And " + std::to_string(not_reached_count_ - max_addresses_named) + " more.\n";
  report.message('Z', "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n" + not_reached_);
  return false;
}

void Delivery::not_reached(const IpAddress& address, const std::string& why) {
  if (++not_reached_count_ > max_addresses_named) return;
  not_reached_ += address.with_port(port()) + ": " + why + ".\n";
}

DaneDemand Delivery::dane_of(const Target& target) {
  return dane_ == nullptr ? DaneDemand() : dane_->of(target);
}

// May and should it be tried? Says why not.
bool Delivery::usable(const Target& target) {
  const IpAddress& address = target.address;
  if (!sources_.allows(address)) {
    not_reached(address, std::string("control/bindroutes has no ") + (address.is_v4() ? "IPv4" : "IPv6") +
                             " address for this sender");
    return false;
  }
  const bool dead = tcpto_.dead(address, port(), now_seconds(), static_cast<unsigned>(getpid()));
  if (dead && !envelope_.try_dead) {
    in_trouble_ = true;
    not_reached(address, "not tried now, it failed several times lately (qmail-tcpto)");
    return false;
  }
  return allowed_by_policy(target);
}

// What the host's TLSA records demand goes before what the domain's policy says of it (RFC 8461 section 2).
bool Delivery::allowed_by_policy(const Target& target) {
  const DaneDemand dane = dane_of(target);
  if (dane.kind == DaneDemand::Kind::unknown) {
    last_failure_ = dane.problem;
    return false;
  }
  const TlsSettings& tls = settings_.tls;
  if (dane.kind == DaneDemand::Kind::identity || tls.sts.mode != StsMode::enforce ||
      tls.sts.allows(target.host))
    return true;
  last_failure_ = "The MTA-STS policy of " + printable(tls.domain) + " does not know the mail exchanger " +
                  printable(target.host) + ", so this mail must not go to it. (#4.7.5)\n";
  return false;
}

// The address, and the same host's next one of the other family. True when the report is complete; false: try
// the next ones.
bool Delivery::try_targets(Exchangers& exchangers, const Target& first, std::size_t& tried, Report& report) {
  if (++tried; !usable(first)) return false;
  std::vector<Target> targets{first};
  if (std::optional<Target> rival = exchangers.next_rival(first)) {
    if (usable(*rival)) targets.push_back(std::move(*rival));
  }
  std::vector<TcpCandidate> candidates;
  for (const Target& target : targets)
    candidates.push_back({target.address, sources_.source_for(target.address)});
  TcpRace race = race_tcp(candidates, port(), std::chrono::seconds(settings_.timeout_connect), head_start);
  for (std::size_t i = targets.size(); i-- > 0;) {
    const IpAddress& address = targets[i].address;
    if (race.fates[i] == TcpRace::Fate::not_begun) {
      exchangers.give_back(targets[i]);
    } else if (race.fates[i] == TcpRace::Fate::failed) {
      const int error = race.errors[i];
      const bool no_source = error == EADDRNOTAVAIL && candidates[i].from;
      not_reached(address, no_source ? "control/bindroutes names " + candidates[i].from->text() +
                                           ", which this host does not have"
                                     : errno_text(error));
      if (is_hosts_failure(error)) {
        in_trouble_ = true;
        tcpto_.failed(address, port(), now_seconds());
      }
    }
  }
  return race.fd && try_connection(std::move(race.fd), targets[race.winner], exchangers, report);
}

std::string Delivery::helo_host(int fd) const {
  if (settings_.helo_hosts.empty()) return settings_.helo_host;
  const std::optional<IpAddress> source = local_address(fd);
  for (const HeloHost& host : settings_.helo_hosts)
    if (source && host.address == *source) return host.name;
  return settings_.helo_host;
}

bool Delivery::try_connection(Fd fd, const Target& target, Exchangers& exchangers, Report& report) {
  const IpAddress& address = target.address;
  const std::string helo = helo_host(fd.get());
  if (settings_.route && settings_.route->qmtp && settings_.tls.level >= TlsLevel::encrypt) {
    last_failure_ = "Connected to " + address.text() +
                    " but QMTP has no TLS, without which this mail must not go. (#4.7.4)\n";
    return false;
  }
  auto session =
      std::make_unique<Session>(std::move(fd), Endpoint{address, port()}, settings_.timeout_remote, helo);
  if (settings_.route && settings_.route->qmtp) {
    session->qmtp = true;
    tcpto_.answered(address, port());
    return try_package(std::move(session), true, report);
  }
  session->host = target.host;
  session->dane = dane_of(target);
  if (clear_address_ == address) session->clear_because = clear_because_;
  const bool complete = try_session(std::move(session), true, report);
  // The same once more, with DATA or in clear text.
  if (!complete && (chunks_unknown_ || clear_wanted_)) exchangers.give_back(target);
  if (clear_wanted_) clear_address_ = address;
  clear_wanted_ = false;
  chunks_unknown_ = false;
  if (host_failed_) {
    in_trouble_ = true;
    tcpto_.failed(address, port(), now_seconds());
  } else {
    tcpto_.answered(address, port());
  }
  return complete;
}

// True when the report is complete; false: try another connection. first: nothing was said on it yet.
bool Delivery::try_session(std::unique_ptr<Session> session, bool first, Report& report) {
  SmtpTransaction transaction;
  const std::string& ip = session->ip;
  host_failed_ = false;
  try {
    const bool complete = converse(*session, first, transaction, report);
    if (complete) host_ = host_failed_ ? HostSays::trouble : HostSays::answered;
    if (complete && keep_ && !gives_up_ && session->client.reusable())
      stays_open_ = std::move(session);
    else
      session->client.quit();
    return complete;
  } catch (const ConnectionLost& lost) {
    std::string text = "Connected to " + ip + " but connection died. ";
    if (transaction.content_ended) text += "Possible duplicate! ";
    text += "(#4.4.2)\n";
    if (lost.why() == ConnectionLost::Why::protocol)
      text += "The connection was given up: " + lost.text() + "\n";
    if (lost.why() == ConnectionLost::Why::timed_out) counts_against_host();
    if (!transaction.content_begun && refused(transaction) && (first || transaction.mail.positive())) {
      host_ = HostSays::answered;
      report_transaction(transaction, session->client.extensions(), ip, report);
      return true;
    }
    if (!transaction.content_begun) {
      last_failure_ = text + session->tls;
      return false;
    }
    // A connection that only ends may be this message's fault.
    host_ = host_failed_ ? HostSays::trouble : HostSays::nothing;
    report_recipients(transaction, ip, report);
    report.message('Z', text);
    return true;
  }
}

// The same by QMTP.
bool Delivery::try_package(std::unique_ptr<Session> session, bool first, Report& report) {
  if (!first && !session->connection.quiet()) return false;  // the server wanted no more, or is out of step
  const QmtpMessage message{envelope_.sender, envelope_.recipients, message_.fd()};
  const QmtpOutcome outcome =
      deliver_by_qmtp(session->connection, message, settings_.timeout_remote, report, last_failure_);
  if (outcome == QmtpOutcome::not_taken) return false;
  host_ = HostSays::answered;
  if (keep_ && outcome == QmtpOutcome::answered) stays_open_ = std::move(session);
  return true;
}

// The server said what it thinks of this message before it went away.
bool Delivery::refused(const SmtpTransaction& transaction) const {
  if (said_goodbye(transaction)) return false;
  if (transaction.mail.code != 0 && !transaction.mail.positive()) return true;
  return transaction.recipients.size() == envelope_.recipients.size() && !transaction.any_accepted();
}

// TLS, greeting, hello, login; false: this host does not want us, or is not good enough.
bool Delivery::greet(Session& session) {
  Opening opening;
  try {
    open_session(session.connection, session.client, settings_, login_, session.host, session.dane,
                 session.clear_because, opening);
  } catch (const ConnectionLost&) {
    session.tls = opening.tls;
    if (!opening.greeted) counts_against_host();
    throw;
  }
  session.tls = opening.tls;
  const bool tls_failed = opening.outcome == Opening::Outcome::again_in_clear;
  if (opening.goodbye || (!opening.greeted && !tls_failed)) counts_against_host();
  if (opening.outcome == Opening::Outcome::ready) return true;
  if (tls_failed) {
    clear_wanted_ = true;
    clear_because_ = opening.failure;
    return false;
  }
  last_failure_ = opening.failure + opening.tls;
  gives_up_ = opening.outcome == Opening::Outcome::give_up;
  return false;
}

bool Delivery::converse(Session& session, bool first, SmtpTransaction& transaction, Report& report) {
  if (first && !greet(session)) {
    if (gives_up_) report.message('Z', last_failure_);
    return gives_up_;
  }
  report.about_connection(session.tls);
  SmtpClient& client = session.client;
  const std::string& ip = session.ip;
  if (!chunking_) client.avoid_chunking();
  const SmtpExtensions& offered = client.extensions();
  const AddressedEnvelope addressed = address(envelope_, offered.smtputf8);
  if (!addressed.unsendable.empty()) {
    report.message('D', "Connected to " + ip +
                            " but it does not know internationalized addresses (SMTPUTF8) like " +
                            addressed.unsendable + ". (#5.6.7)\n");
    return true;
  }
  if (!make_sendable(offered, ip, report)) return true;
  client.send(addressed.envelope, message_, transaction, !keep_);
  // Servers have limits to what they take on one connection, and say so in many ways.
  if (!first && transaction.mail.code != 0 && !transaction.mail.positive()) return false;
  if (transaction.message.code == closing) counts_against_host();
  if (!transaction.content_begun && said_goodbye(transaction)) {
    counts_against_host();
    const SmtpReply& said = transaction.data.code == closing ? transaction.data
                            : transaction.recipients.empty() ? transaction.mail
                                                             : transaction.recipients.back();
    last_failure_ = "Connected to " + ip + " but it closed the session.\n" + remote_host_said(said);
    return false;
  }
  if (transaction.chunked && (transaction.message.code == 500 || transaction.message.code == 502)) {
    chunking_ = false;
    chunks_unknown_ = message_.rewind();
    if (chunks_unknown_) return false;
  }
  report_transaction(transaction, offered, ip, report);
  return true;
}

// Brings the message into a form that this server takes; false: there is none, and that is reported.
bool Delivery::make_sendable(const SmtpExtensions& offered, const std::string& ip, Report& report) {
  if (envelope_.smtputf8 && !offered.smtputf8 && message_.eight_bit_header()) {
    report.message('D', "Connected to " + ip +
                            " but it does not know internationalized mail (SMTPUTF8), and the header of this "
                            "message has characters that are not ASCII. (#5.6.7)\n");
    return false;
  }
  if (!offered.eight_bit && !offered.smtputf8) {
    if (const std::string obstacle = message_.make_seven_bit(); !obstacle.empty()) {
      report.message('D',
                     "Connected to " + ip +
                         " but it takes no 8-bit mail (8BITMIME), and this message cannot be converted: " +
                         obstacle + ". (#5.6.3)\n");
      return false;
    }
  }
  if (offered.size_limit > 0 && message_.wire_size() > offered.size_limit) {
    report.message('D', "Connected to " + ip + " but the message is too large for it: " +
                            std::to_string(message_.wire_size()) + " bytes, and it takes " +
                            std::to_string(offered.size_limit) + " at most. (#5.3.4)\n");
    return false;
  }
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

void Delivery::report_transaction(const SmtpTransaction& transaction, const SmtpExtensions& offered,
                                  const std::string& ip, Report& report) {
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
  const std::string text = ip + " accepted message.\n" + remote_host_said(transaction.message);
  const bool asked = !envelope_.dsn.empty() || !envelope_.recipient_dsn.empty();
  report.message('K', text, asked && offered.dsn ? dsn_passed_on : std::string_view());
}

}  // namespace hato

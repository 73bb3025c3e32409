#include "remote/smtp_client.h"

#include <algorithm>
#include <charconv>

#include "lib/mail/domain.h"

namespace hato {

namespace {

constexpr unsigned closing = 421;  // RFC 5321 section 3.8: the server is about to hang up
constexpr unsigned ready_for_tls = 220;
constexpr std::int64_t last_words_seconds = 5;  // for a refusal that comes before we have sent everything

std::string_view first_word(std::string_view line) {
  return line.substr(0, line.find_first_of(" \t="));
}

}  // namespace

SmtpExtensions SmtpExtensions::parse(const SmtpReply& ehlo) {
  SmtpExtensions offered;
  offered.esmtp = true;
  bool first = true;
  for (const std::string_view line : ehlo.lines()) {
    if (std::exchange(first, false)) continue;  // the server's name
    const std::string_view keyword = first_word(line);
    std::string_view rest = line.substr(keyword.size());
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '=')) rest.remove_prefix(1);
    const auto is = [&](std::string_view name) { return equal_ignoring_case(keyword, name); };
    if (is("PIPELINING")) offered.pipelining = true;
    if (is("8BITMIME")) offered.eight_bit = true;
    if (is("SMTPUTF8")) offered.smtputf8 = true;
    if (is("STARTTLS")) offered.starttls = true;
    if (is("DSN")) offered.dsn = true;
    if (is("CHUNKING")) offered.chunking = true;
    if (is("AUTH")) offered.auth = rest;
    if (is("SIZE")) {
      offered.size = true;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), offered.size_limit);
      if (error != std::errc()) offered.size_limit = 0;
    }
  }
  return offered;
}

bool SmtpTransaction::any_accepted() const {
  return std::any_of(recipients.begin(), recipients.end(), [](const SmtpReply& r) { return r.positive(); });
}

SmtpReply SmtpClient::starttls() {
  connection_.put("STARTTLS\r\n");
  SmtpReply reply = connection_.read_reply();
  if (reply.code == ready_for_tls) extensions_ = SmtpExtensions();
  return reply;
}

SmtpReply SmtpClient::hello() {
  connection_.put("EHLO " + helo_host_ + "\r\n");
  SmtpReply reply = connection_.read_reply();
  if (reply.positive()) {
    extensions_ = SmtpExtensions::parse(reply);
    return reply;
  }
  if (!reply.permanent()) return reply;
  extensions_ = SmtpExtensions();
  connection_.put("HELO " + helo_host_ + "\r\n");
  return connection_.read_reply();
}

// A server that does not even reset is in a state that nobody knows.
void SmtpClient::take_reset_reply() {
  needs_reset_ = false;
  const SmtpReply reply = connection_.read_reply();
  if (!reply.positive())
    throw ConnectionLost(ConnectionLost::Why::protocol,
                         "it does not take RSET: " + reply.text.substr(0, 200));
}

// True when the message is wanted now (354; with CHUNKING, when anybody may have it).
bool SmtpClient::send_envelope(const SmtpEnvelope& envelope, const OutgoingMessage& message,
                               SmtpTransaction& transaction) {
  const bool pipelining = extensions_.pipelining;
  const bool chunking = extensions_.chunking;
  std::string mail = "MAIL FROM:<" + envelope.mail_from + ">";
  if (extensions_.size && message.wire_size() > 0) mail += " SIZE=" + std::to_string(message.wire_size());
  if (extensions_.eight_bit && message.eight_bit()) mail += " BODY=8BITMIME";
  if (extensions_.smtputf8 && envelope.smtputf8) mail += " SMTPUTF8";
  const auto dsn = [&](const std::string& words) {
    return extensions_.dsn && !words.empty() ? " " + words : std::string();
  };
  bool reset_sent = needs_reset_;
  if (reset_sent) {
    connection_.put("RSET\r\n");
    if (!pipelining) take_reset_reply(), reset_sent = false;
  }
  connection_.put(mail + dsn(envelope.dsn) + "\r\n");

  const std::size_t count = envelope.rcpt_to.size();
  const std::size_t window = pipelining ? pipelined_recipients : 1;
  bool mail_answered = false;
  bool data_sent = false;
  const auto take_mail_reply = [&] {
    if (std::exchange(reset_sent, false)) take_reset_reply();
    transaction.mail = connection_.read_reply();
    mail_answered = true;
  };
  if (!pipelining) {
    take_mail_reply();
    if (!transaction.mail.positive()) return false;
  }
  for (std::size_t sent = 0; transaction.recipients.size() < count;) {
    for (; sent < count && sent - transaction.recipients.size() < window; ++sent) {
      const SmtpEnvelope::Recipient& recipient = envelope.rcpt_to[sent];
      connection_.put("RCPT TO:<" + recipient.address + ">" + dsn(recipient.dsn) + "\r\n");
    }
    if (pipelining && !chunking && sent == count) {
      connection_.put("DATA\r\n");
      data_sent = true;
    }
    if (!mail_answered) {
      take_mail_reply();
      if (transaction.mail.code == closing) return false;
    }
    while (transaction.recipients.size() < sent) {
      transaction.recipients.push_back(connection_.read_reply());
      if (transaction.recipients.back().code == closing) return false;
    }
    if (!transaction.mail.positive() && !data_sent) return false;
  }
  if (chunking) return transaction.any_accepted();
  if (!data_sent) {
    if (!transaction.any_accepted()) return false;
    connection_.put("DATA\r\n");
  }
  transaction.data = connection_.read_reply();
  return transaction.data.intermediate();
}

// Where PIPELINING lets it ride along.
void SmtpClient::put_quit() {
  if (!extensions_.pipelining) return;
  connection_.put("QUIT\r\n");
  quit_sent_ = true;
}

void SmtpClient::send_content(OutgoingMessage& message, SmtpTransaction& transaction, bool last) {
  constexpr std::size_t dots_and_quit = 256;
  message.stuff_dots(true);
  transaction.content_begun = true;
  if (message.wire_size() <= message_piece)
    connection_.out().reserve(static_cast<std::size_t>(message.wire_size()) + dots_and_quit);
  try {
    while (message.next(connection_.out()))
      if (connection_.out().size() >= message_piece) connection_.flush();
    connection_.put(".\r\n");
    if (last) put_quit();
    transaction.content_ended = true;
    connection_.flush();
  } catch (const ConnectionLost& lost) {
    if (lost.why() != ConnectionLost::Why::closed) throw;
    const std::optional<SmtpReply> reply = connection_.last_words(last_words_seconds);
    if (!reply || reply->code < 400) throw;
    connection_.close();
    transaction.message = *reply;
    return;
  }
  transaction.message = connection_.read_reply();
}

// False when the server refuses the rest: transaction.message says so. Of the good answers only the last one
// is the message's.
bool SmtpClient::take_chunk_reply(SmtpTransaction& transaction, unsigned& unanswered) {
  SmtpReply reply = connection_.read_reply();
  const bool good = reply.positive();
  if (--unanswered == 0 || !good)
    if (transaction.content_ended || !good) transaction.message = std::move(reply);
  return good;
}

// RFC 3030. A refused chunk is the answer for the message; the rest is not sent, and nothing else can be said
// on this connection that would be surely understood.
void SmtpClient::send_chunks(OutgoingMessage& message, SmtpTransaction& transaction, bool last) {
  const unsigned window = extensions_.pipelining ? pipelined_chunks : 0;
  unsigned unanswered = 0;
  message.stuff_dots(false);
  transaction.content_begun = transaction.chunked = true;
  std::string chunk;
  for (bool more = true; more;) {
    chunk.clear();
    while (more && chunk.size() < chunk_size) more = message.next(chunk);
    connection_.put("BDAT " + std::to_string(chunk.size()) + (more ? "\r\n" : " LAST\r\n"));
    connection_.put(chunk);
    ++unanswered;
    if (!more) {
      if (last) put_quit();
      transaction.content_ended = true;
    }
    try {
      connection_.flush();
    } catch (const ConnectionLost& lost) {
      if (lost.why() != ConnectionLost::Why::closed) throw;
      std::optional<SmtpReply> reply = connection_.last_words(last_words_seconds);
      while (reply && reply->positive() && --unanswered > 0)
        reply = connection_.last_words(last_words_seconds);
      if (!reply || reply->code < 400) throw;
      transaction.message = *reply;
      return connection_.close();
    }
    while (unanswered > (more ? window : 0))
      if (!take_chunk_reply(transaction, unanswered)) {
        if (more || !last) connection_.close();
        return;
      }
  }
}

void SmtpClient::send(const SmtpEnvelope& envelope, OutgoingMessage& message, SmtpTransaction& transaction,
                      bool last) {
  reusable_ = false;
  const bool wanted = send_envelope(envelope, message, transaction);
  if (!wanted) {
    const auto goodbye = [](const SmtpReply& reply) { return reply.code == closing; };
    reusable_ = !goodbye(transaction.mail) && !goodbye(transaction.data) &&
                std::none_of(transaction.recipients.begin(), transaction.recipients.end(), goodbye);
    needs_reset_ = true;
    return;
  }
  if (transaction.mail.positive() && transaction.any_accepted()) {
    if (extensions_.chunking)
      send_chunks(message, transaction, last);
    else
      send_content(message, transaction, last);
    // RFC 5321 section 4.1.1.4: whatever the answer, the transaction is over and its buffers are cleared.
    reusable_ =
        transaction.content_ended && transaction.message.code != 0 && transaction.message.code != closing;
    return;
  }
  // RFC 2920 section 3.1: DATA was accepted although nobody is there to receive. With no recipient a lone dot
  // ends it; after a refused MAIL with accepted recipients only hanging up surely delivers nothing.
  if (transaction.any_accepted())
    connection_.close();
  else
    connection_.put(".\r\n");
}

void SmtpClient::quit() {
  if (quit_sent_ || !connection_.open()) return;
  quit_sent_ = true;
  try {
    connection_.put("QUIT\r\n");
    connection_.flush();
  } catch (const ConnectionLost&) {
    // it is gone already
  }
}

}  // namespace hato

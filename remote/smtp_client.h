// The client's side of SMTP on one connection (RFC 5321; RFC 1870 SIZE, 2920 PIPELINING, 6152 8BITMIME, 6531
// SMTPUTF8): greeting, hello, transactions, quit. Knows commands and replies; what a refusal means for a
// message is delivery.h's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "remote/connection.h"
#include "remote/outgoing_message.h"

namespace hato {

// Recipients on their way without an answer: their replies must fit into socket buffers while we still write.
constexpr std::size_t pipelined_recipients = 50;

// What the server offered in its answer to EHLO.
struct SmtpExtensions {
  bool esmtp = false;
  bool pipelining = false;
  bool eight_bit = false;
  bool size = false;
  std::uint64_t size_limit = 0;  // 0: none told
  bool smtputf8 = false;
  bool starttls = false;
  bool dsn = false;
  bool chunking = false;
  std::string auth;  // the mechanisms, blanks between them

  static SmtpExtensions parse(const SmtpReply& ehlo);
};

struct SmtpEnvelope {
  std::string mail_from;             // in the form of SMTP, without brackets
  std::vector<std::string> rcpt_to;  // likewise
  bool smtputf8 = false;             // say so; only when offered
};

// What has become of one transaction; also right, as far as it goes, when ConnectionLost was thrown.
struct SmtpTransaction {
  SmtpReply mail;                     // code 0: no answer
  std::vector<SmtpReply> recipients;  // in the order of the envelope; fewer when the end came before
  SmtpReply data;                     // code 0: not sent, or no answer
  SmtpReply message;                  // the answer to the final dot; code 0: no answer
  bool content_begun = false;         // some of the message went out
  bool content_ended = false;         // the final dot may have reached the server
  bool any_accepted() const;
};

class SmtpClient {
 public:
  SmtpClient(Connection& connection, std::string helo_host)
      : connection_(connection), helo_host_(std::move(helo_host)) {}

  // Each returns the reply, whatever it is, and throws ConnectionLost.
  SmtpReply greeting() { return connection_.read_reply(); }
  // EHLO; when the server does not know it (a 5xx reply), HELO. extensions() is what was offered.
  SmtpReply hello();
  const SmtpExtensions& extensions() const { return extensions_; }

  // MAIL, RCPT …, DATA and the message. MAIL to DATA go out together where the server offers PIPELINING.
  // last: QUIT rides along with the end of the message where PIPELINING allows it.
  void send(const SmtpEnvelope& envelope, OutgoingMessage& message, SmtpTransaction& transaction, bool last);

  // QUIT, unless it went out already or the connection is gone. Does not wait for the answer; never throws.
  void quit();

 private:
  bool send_envelope(const SmtpEnvelope& envelope, const OutgoingMessage& message,
                     SmtpTransaction& transaction);
  void send_content(OutgoingMessage& message, SmtpTransaction& transaction, bool last);

  Connection& connection_;
  std::string helo_host_;
  SmtpExtensions extensions_;
  bool quit_sent_ = false;
};

}  // namespace hato

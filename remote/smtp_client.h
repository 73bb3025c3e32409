// The client's side of SMTP on one connection (RFC 5321; RFC 1870 SIZE, 2920 PIPELINING, 3030 CHUNKING, 3461
// DSN, 6152 8BITMIME, 6531 SMTPUTF8): greeting, hello, transactions, quit. Knows commands and replies; what a
// refusal means for a message is delivery.h's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "remote/connection.h"
#include "remote/outgoing_message.h"

namespace hato {

// Recipients on their way without an answer: their replies must fit into socket buffers while we still write.
constexpr std::size_t pipelined_recipients = 50;
// Bytes of one BDAT command, at least (the last one apart): few replies, and an early refusal is soon heard.
constexpr std::size_t chunk_size = 256U << 10;
// Chunks on their way without an answer, with PIPELINING.
constexpr unsigned pipelined_chunks = 2;

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
  struct Recipient {
    std::string address;  // in the form of SMTP, without brackets
    std::string dsn;      // "NOTIFY=… ORCPT=…", said only when DSN is offered
  };
  std::string mail_from;  // in the form of SMTP, without brackets
  std::string dsn;        // "RET=… ENVID=…", said only when DSN is offered
  std::vector<Recipient> rcpt_to;
  bool smtputf8 = false;  // say so; only when offered
};

// What has become of one transaction; also right, as far as it goes, when ConnectionLost was thrown.
struct SmtpTransaction {
  SmtpReply mail;                     // code 0: no answer
  std::vector<SmtpReply> recipients;  // in the order of the envelope; fewer when the end came before
  SmtpReply data;                     // code 0: not sent (as with BDAT), or no answer
  SmtpReply message;                  // the answer to the final dot or to BDAT; code 0: no answer
  bool content_begun = false;         // some of the message went out
  bool chunked = false;               // by BDAT
  bool content_ended = false;         // the final dot may have reached the server
  bool any_accepted() const;
};

class SmtpClient {
 public:
  SmtpClient(Connection& connection, std::string helo_host)
      : connection_(connection), helo_host_(std::move(helo_host)) {}

  // Each returns the reply, whatever it is, and throws ConnectionLost.
  SmtpReply greeting() { return connection_.read_reply(); }
  // The answer to STARTTLS (RFC 3207): 220, and TLS may begin. What was offered before counts no more then.
  SmtpReply starttls();
  // EHLO; when the server does not know it (a 5xx reply), HELO. extensions() is what was offered.
  SmtpReply hello();
  const SmtpExtensions& extensions() const { return extensions_; }

  // A server that offers CHUNKING and does not know BDAT gets DATA.
  void avoid_chunking() { extensions_.chunking = false; }

  // MAIL, RCPT …, DATA and the message; RSET in front where the last transaction asks for it. MAIL to DATA go
  // out together where the server offers PIPELINING. Where it offers CHUNKING the message goes by BDAT, after
  // the answers to RCPT, so that nothing is sent for nobody. last: QUIT rides along with the end of the
  // message where PIPELINING allows it.
  void send(const SmtpEnvelope& envelope, OutgoingMessage& message, SmtpTransaction& transaction, bool last);

  // Can another transaction follow on this connection? Only after send(), and while nobody has quit: the last
  // one was answered to its end, or refused in step. What it may have left behind at the server goes by RSET,
  // in front of the next one.
  bool reusable() const { return reusable_ && connection_.open() && !quit_sent_; }
  // QUIT, unless it went out already or the connection is gone. Does not wait for the answer; never throws.
  void quit();

 private:
  void take_reset_reply();
  bool send_envelope(const SmtpEnvelope& envelope, const OutgoingMessage& message,
                     SmtpTransaction& transaction);
  void send_content(OutgoingMessage& message, SmtpTransaction& transaction, bool last);
  void send_chunks(OutgoingMessage& message, SmtpTransaction& transaction, bool last);
  bool take_chunk_reply(SmtpTransaction& transaction, unsigned& unanswered);
  void put_quit();

  Connection& connection_;
  std::string helo_host_;
  SmtpExtensions extensions_;
  bool quit_sent_ = false;
  bool reusable_ = false;
  bool needs_reset_ = false;
};

}  // namespace hato

// One connection to an SMTP server: buffered writing, reading of replies, a limit of time for each.
//
// All bytes go through transport_read and transport_write, and only there does it show whether they are clear
// text or TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/secret.h"
#include "lib/net/smtp_reply.h"
#include "lib/net/tcp.h"
#include "lib/net/tls_client.h"

namespace hato {

// The connection is of no use any more: closed, reset, timed out, or the server spoke something that is not
// SMTP.
class ConnectionLost : public TempError {
 public:
  enum class Why { closed, timed_out, protocol };
  ConnectionLost(Why why, std::string text) : TempError(std::move(text)), why_(why) {}
  Why why() const { return why_; }

 private:
  Why why_;
};

class Connection {
 public:
  // fd: connected, non-blocking. timeout_seconds: for each reply, and for each write to get anywhere.
  Connection(Fd fd, const Endpoint& peer, std::int64_t timeout_seconds);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Endpoint& peer() const { return peer_; }

  ~Connection();

  // Speaks TLS from here on. Throws TlsError, TimeoutError or SystemError when it does not come to that, and
  // then the connection is of no use; so it is when anything in clear text stands behind the last reply,
  // which would otherwise become part of what TLS protects (STARTTLS, RFC 3207 section 6).
  void start_tls(const TlsClientSettings& settings, Deadline deadline);
  // Null: clear text.
  const TlsClient* tls() const { return tls_.get(); }

  void put(std::string_view text) { out_.append(text); }
  // What put() fills; for pieces of a message that are made in place.
  std::string& out() { return out_; }
  // A line of `start` and a secret; wipe_sent() after it was sent leaves nothing of it here.
  void put_secret(std::string_view start, std::string_view secret);
  void wipe_sent() { wipe(out_); }
  // Sends what was put. Throws ConnectionLost.
  void flush();
  // Flushes, then reads one whole reply. Throws ConnectionLost.
  SmtpReply read_reply();
  // What comes next, at least one octet: for a protocol that has no SMTP replies. Flushes nothing. Throws
  // ConnectionLost.
  std::string read_octets(Deadline deadline);
  // Nothing has come that was not read, and the other side has not closed: what to know before one speaks on
  // a connection that was idle. Clear text only.
  bool quiet() const;
  // A reply that is there or comes within the time, when the sending side is broken already: servers that
  // refuse a message in the middle say why before they close. nullopt when there is none.
  std::optional<SmtpReply> last_words(std::int64_t seconds);
  void close() {
    tls_.reset();
    fd_.reset();
  }
  bool open() const { return static_cast<bool>(fd_); }

 private:
  std::size_t transport_read(char* space, std::size_t size, Deadline deadline);  // 0: closed by the peer
  std::size_t transport_write(std::string_view data, Deadline deadline);
  SmtpReply receive(Deadline deadline);

  Fd fd_;
  std::unique_ptr<TlsClient> tls_;
  Endpoint peer_;
  std::int64_t timeout_seconds_;
  std::string out_;
  std::string in_;  // received and not yet taken
};

}  // namespace hato

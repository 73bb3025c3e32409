// One connection to a host, greeted if it speaks SMTP, with what is known about it: for one message, or kept
// for several.
#pragma once

#include <string>

#include "remote/connection.h"
#include "remote/dane.h"
#include "remote/smtp_client.h"

namespace hato {

struct Session {
  Session(Fd fd, const Endpoint& peer, std::int64_t timeout_seconds, const std::string& helo_host)
      : connection(std::move(fd), peer, timeout_seconds),
        client(connection, helo_host),
        ip(peer.address.text()) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes leave, in the protocol that was spoken.
  void end() {
    if (qmtp)
      connection.close();
    else
      client.quit();
  }

  Connection connection;
  SmtpClient client;
  const std::string ip;
  bool qmtp = false;          // speaks QMTP; the client and what is below are SMTP's then
  std::string host;           // the name under which the address was found
  DaneDemand dane;            // of that host
  std::string clear_because;  // not empty: no TLS, because it failed on a connection before this one
  std::string tls;            // for reports (remote/opening.h)
};

}  // namespace hato

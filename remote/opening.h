// What comes on a connection before the first MAIL: TLS, greeting, hello, STARTTLS and hello again, AUTH, as
// the settings for this host have it.
#pragma once

#include <cstdint>
#include <string>

#include "remote/dane.h"
#include "remote/settings.h"
#include "remote/smtp_client.h"

namespace hato {

constexpr std::int64_t max_handshake_seconds = 120;  // all of a TLS handshake; or timeoutremote, if less

struct Opening {
  enum class Outcome {
    ready,
    next_address,    // this one does not want us, or is not good enough
    again_in_clear,  // TLS failed, and clear text will do: on a new connection
    give_up,         // our login was refused: so it would be at the next address
  };
  Outcome outcome = Outcome::next_address;
  std::string failure;  // unless ready: a report's text
  // "TLS: TLSv1.2 ECDHE-…, certificate verified for mx.example.\n", or why there is none though it was
  // offered; empty: nothing to say.
  std::string tls;
  bool greeted = false;  // with 220
  bool goodbye = false;  // it said 421
};

// login: null: none. host: the name under which the address was found. dane: what that host's TLSA records
// demand, known and looked up; where they demand an identity it counts instead of settings.tls.sts (RFC 8461
// section 2). clear_because: not empty: this is the
// connection after again_in_clear, and why. opening is right, as far as it goes, also when it throws:
// ConnectionLost, and SystemError when the authorities' file cannot be read.
void open_session(Connection& connection, SmtpClient& client, const RemoteSettings& settings,
                  const SmtpLogin* login, const std::string& host, const DaneDemand& dane,
                  const std::string& clear_because, Opening& opening);

}  // namespace hato

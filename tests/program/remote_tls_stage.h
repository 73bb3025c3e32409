// For program tests of qmail-remote over TLS: a server that offers STARTTLS, and what is reported then.
#pragma once

#include <string>

#include "tests/program/remote_stage.h"
#include "tests/program/smtp_server.h"
#include "tests/program/tls_relay.h"

namespace hato::test {

// What a delivery that succeeded reports: `accepted`, and a line that begins with `encrypted` when there was
// TLS.
inline const std::string accepted = "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n";
inline const std::string encrypted = "TLS: TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256, certificate ";

inline SmtpScript tls_script(const TlsIdentity& who) {
  SmtpScript script;
  script.ehlo = "250-test\n250-PIPELINING\n250 STARTTLS";
  script.ehlo_in_tls = "250-test\n250 8BITMIME";
  script.tls = who;
  return script;
}

}  // namespace hato::test

// What the control files say to qmail-remote: read once, before sealing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/net/dns.h"
#include "lib/net/mta_sts.h"
#include "lib/net/smtproutes.h"
#include "lib/net/tls_words.h"
#include "lib/net/trust_store.h"
#include "lib/store/control.h"
#include "remote/bindroutes.h"
#include "remote/smtpauth.h"

namespace hato {

// What TLS a host gets.
struct TlsSettings {
  TlsLevel level = TlsLevel::may;
  bool on_connect = false;
  std::vector<std::string> names;  // of "verify="
  std::string domain;              // what the host's name has to be, or to lie below, to prove anything
  TrustStore trust;                // not opened where there is no TLS
  bool ask_domain = false;  // nobody here has said how much TLS it has to be, so the domain may: MTA-STS
  bool ask_dns = false;     // likewise the hosts' TLSA records: DANE
  StsPolicy sts;            // what it said; enforce goes with level verify

  // Asked for: what the domain's policy demands counts from here on.
  void take_policy(StsPolicy policy);
};

struct RemoteSettings {
  std::string helo_host;                 // control/helohost, else me
  std::vector<HeloHost> helo_hosts;      // control/helohosts: by address
  std::int64_t timeout_connect = 60;     // seconds, for one address
  std::int64_t timeout_remote = 1200;    // seconds, for one reply or one write
  std::optional<SmtpRoute> route;        // of this host
  std::vector<std::string> bind_routes;  // the lines of control/bindroutes
  ResolverConfig resolver;               // servers empty when this route needs no DNS
  TlsSettings tls;                       // of this host: its route's words, then control/tlshosts

  // Throws TempError: a file that cannot be read, no name to say hello with, a route or words that cannot be
  // used.
  static RemoteSettings read(const Control& control, std::string_view host);
  // Where mail of this envelope sender (raw) goes out from. Throws TempError for a line that cannot be used.
  SourceAddresses sources_for(std::string_view sender) const;
  // With which login mail of this envelope sender goes to this route's relay; nullopt: with none. Reads
  // control/smtpauth. Throws TempError when there is none where one is needed, or the file may not be used.
  std::optional<SmtpLogin> login_for(const Control& control, std::string_view sender) const;
};

}  // namespace hato

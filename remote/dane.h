// What a mail exchanger's TLSA records demand of those who bring mail: DANE for SMTP (RFC 7672).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/net/dns.h"
#include "lib/net/tlsa.h"
#include "remote/exchangers.h"

namespace hato {

struct DaneDemand {
  enum class Kind {
    nothing,     // there are none that DNSSEC vouches for: as if DANE did not exist
    encryption,  // there are, and none can be used: TLS, with any certificate (section 2.2)
    identity,    // TLS with a certificate that fits the records
    unknown,     // they could not be looked up: no mail may go there now (section 2.1.1)
  };
  Kind kind = Kind::nothing;
  std::string base_domain;          // whose records they are; the server's name for TLS (section 2.2.3)
  std::vector<TlsaRecord> records;  // with identity
  std::vector<std::string> names;   // for which an authority's certificate is good (section 3.2.2)
  // unknown: a sentence for a report. nothing: why DANE cannot be had of this DNS server, a clause, or empty.
  std::string problem;
};

// Asks for them, once a host; for one message.
class DaneDemands {
 public:
  // port: on which mail will be sent. Look-ups take max_lookup_rounds times the resolver's limit together;
  // what is left then is unknown.
  DaneDemands(const Resolver& resolver, std::uint16_t port) : resolver_(resolver), port_(port) {}

  const DaneDemand& of(const Target& target);

 private:
  DaneDemand look_up(const Target& target) const;
  bool take_records(const std::string& base_domain, DaneDemand& demand) const;

  const Resolver& resolver_;
  const std::uint16_t port_;
  const Deadline end_ = Deadline::in(resolver_.limit() * max_lookup_rounds);
  std::map<std::string, DaneDemand> known_;
};

}  // namespace hato

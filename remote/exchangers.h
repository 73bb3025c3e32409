// Which addresses to try for a host, in which order: RFC 5321 section 5.1, RFC 7505 (null MX).
//
// Addresses come one preference at a time, so the hosts of the next are looked up only when those before
// could not be used. Equal preferences are shuffled; of a host's addresses IPv6 and IPv4 take turns, IPv6
// first (RFC 8305 section 4). An address comes once, however many names it has. A preference that one of our
// own addresses has ends the list: it and all worse ones would send the message round in a circle. The
// look-ups for one domain may take max_lookup_rounds times the resolver's limit together; what is left then
// counts as a look-up that failed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "lib/net/dns.h"
#include "lib/net/own_addresses.h"

namespace hato {

constexpr std::size_t max_exchangers = 20;           // MX hosts that are looked at, the best ones
constexpr std::size_t max_exchanger_addresses = 16;  // addresses of one of them
constexpr unsigned max_lookup_rounds = 4;

struct Target {
  IpAddress address;
  std::string host;  // the name it was found under; for a literal the literal
  // How far DNSSEC vouches for it (DnsAnswer::authentic); never for a literal.
  bool host_authentic = false;     // that this is the host: the domain's MX records, or that there are none
  bool address_authentic = false;  // that this is the host's address, and all aliases on the way there
  std::string end;                 // where the host's aliases ended; without any the host itself
  std::string domain;              // where the domain's own aliases ended; a relay's own name
  std::string unproved;            // DnsAnswer::unproved: why nothing could be vouched for
};

// Why there is nothing (more) to try, when nothing was tried at all: a report's letter and text.
struct NoTarget {
  char letter = 'Z';
  std::string text;
};

class Exchangers {
 public:
  // The mail exchangers of a domain. own: nullptr when there is no check for a circle (smtproutes).
  static Exchangers of_domain(const std::string& domain, const Resolver& resolver, const OwnAddresses* own);
  // A relay of smtproutes: its addresses, no MX. Never a permanent failure: the route is the operator's.
  static Exchangers of_relay(const std::string& relay, const Resolver& resolver);

  // The next address; nullopt: no more.
  std::optional<Target> next();
  // The one behind it, when it is the same host's and of the other family: the two may race.
  std::optional<Target> next_rival(const Target& target);
  // It was not tried after all: it is the next one again.
  void give_back(Target target) { targets_.push_front(std::move(target)); }
  // After next() gave nothing the first time.
  const NoTarget& why_none() const { return why_none_; }

 private:
  struct Host {
    std::uint16_t preference;
    std::string name;
  };
  Target target_of(const Host& host, const IpAddress& address) const;
  Exchangers(const Resolver& resolver, const OwnAddresses* own)
      : resolver_(resolver), own_(own), end_(Deadline::in(resolver.limit() * max_lookup_rounds)) {}
  void take_mx(const std::string& domain);
  void look_up_next_preference();
  bool take_addresses(const Host& host, std::vector<Target>& targets);
  void note_trouble(bool alias_loop, const std::string& problem);

  const Resolver& resolver_;
  const OwnAddresses* own_;
  Deadline end_;
  bool relay_ = false;
  bool hosts_authentic_ = false;
  std::string domain_;     // Target::domain
  std::string unproved_;   // Target::unproved, of the MX records
  bool implicit_ = false;  // there are no MX records: the domain itself is the host
  std::deque<Host> hosts_;
  std::deque<Target> targets_;
  std::vector<IpAddress> seen_;  // addresses that came already
  bool trouble_ = false;         // a look-up failed for now: absence is not proved
  NoTarget why_none_;
};

// Equal preferences in random order; the others by preference.
void sort_exchangers(std::vector<MxRecord>& records);

}  // namespace hato

// Which addresses to try for a host, in which order: RFC 5321 section 5.1, RFC 7505 (null MX).
//
// Addresses come one preference at a time, so the hosts of the next are looked up only when those before
// could not be used. Equal preferences are shuffled; a host's IPv6 addresses come before its IPv4 ones. A
// preference that one of our own addresses has ends the list: it and all worse ones would send the message
// round in a circle.
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

struct Target {
  IpAddress address;
  std::string host;  // the name it was found under; for a literal the literal
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
  // After next() gave nothing the first time.
  const NoTarget& why_none() const { return why_none_; }

 private:
  struct Host {
    std::uint16_t preference;
    std::string name;
  };
  Exchangers(const Resolver& resolver, const OwnAddresses* own) : resolver_(resolver), own_(own) {}
  void take_mx(const std::string& domain);
  void look_up_next_preference();
  bool take_addresses(const Host& host, std::vector<Target>& targets);

  const Resolver& resolver_;
  const OwnAddresses* own_;
  bool relay_ = false;
  bool implicit_ = false;  // there are no MX records: the domain itself is the host
  std::deque<Host> hosts_;
  std::deque<Target> targets_;
  bool trouble_ = false;  // a look-up failed for now: absence is not proved
  NoTarget why_none_;
};

// Equal preferences in random order; the others by preference.
void sort_exchangers(std::vector<MxRecord>& records);

}  // namespace hato

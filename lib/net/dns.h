// The DNS resolver: asks recursive servers, over UDP and, when an answer was cut off, over TCP.
//
// One class with a transport of its own (libresolv knows neither IPv6 servers on any port nor limits in
// milliseconds): each try has a fresh socket, so a fresh source port, and fresh random ids; an answer counts
// only when it comes from the server asked, and id and question are ours. Configuration is read by
// ResolverConfig::configured() before sealing; look-ups need sockets only.
//
// A server that answers SERVFAIL, REFUSED or rubbish, or refuses the packet, is passed over for the next one;
// no answer in time doubles the wait and goes on to the next. When more than 20 packets come that answer
// nothing we asked, somebody is guessing, and the question goes over TCP. Records of other names than the
// question's and its aliases' are not looked at; an answer that says "no such name" and has records all the
// same is none. Sources: RFC 1035, 2308, 5452, 6891, 7766.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/ip.h"
#include "lib/net/dns_message.h"
#include "lib/net/tcp.h"
#include "lib/store/control.h"

namespace hato {

enum class DnsStatus {
  found,
  no_name,    // NXDOMAIN: the name does not exist, for any type
  no_data,    // the name exists and has no record of this type
  temporary,  // no usable answer, or a chain of aliases that loops or has more than max_dns_aliases steps
};

template <typename T>
struct DnsAnswer {
  DnsStatus status = DnsStatus::temporary;
  std::vector<T> records;   // not empty exactly when found
  std::string name;         // where the chain of aliases (CNAME) ended
  bool alias = false;       // there was one
  bool alias_loop = false;  // temporary, because of it
  // Only with ResolverConfig::dnssec: the server validated all of it, aliases and "no such data" included. It
  // says so (the AD bit), is to be believed, and has been seen to validate.
  bool authentic = false;
  // Only with ResolverConfig::dnssec: why `authentic` cannot be true here, signed or not; a clause about the
  // server, or empty.
  std::string unproved;
  std::string problem;  // temporary: one sentence for a log
  bool found() const { return status == DnsStatus::found; }
};

struct MxRecord {
  std::uint16_t preference = 0;
  std::string host;  // "." is the null MX of RFC 7505
};

constexpr std::size_t max_dns_aliases = 10;
constexpr std::size_t max_dns_servers = 8;

struct ResolverConfig {
  std::vector<Endpoint> servers;
  std::vector<Endpoint> trusted;  // of them; those on this host are so without being named
  // Is anybody to know whether answers are authentic? Queries carry DO then, and every server that answers is
  // asked twice more, once: see Resolver.
  bool dnssec = false;
  std::chrono::milliseconds first_wait{2000};  // for one try; doubles after each round of all servers
  std::chrono::milliseconds limit{30000};      // for one look-up, aliases and TCP included

  // control/resolver ("address", "address:port", "[v6]:port", one a line, perhaps with the word "trusted"
  // behind it); without it the nameserver lines of
  // /etc/resolv.conf; without any 127.0.0.1. control/timeoutdns: limit in seconds. Throws TempError for a
  // line that is no address.
  static ResolverConfig configured(const Control& control);
};

struct ResolverLine {
  Endpoint server;
  bool trusted = false;  // what it says of DNSSEC is believed though it is on another host
};
// One line of control/resolver; nullopt when it is none. Pure.
std::optional<ResolverLine> parse_resolver_line(std::string_view line);
// The nameserver lines of a resolv.conf(5), port 53; lines it does not understand are passed over. Pure.
std::vector<Endpoint> parse_resolv_conf(std::string_view text);

// Names are ASCII (lib/mail/domain.h makes A-labels). A name that DNS cannot hold is no_name: it cannot
// exist. Never throws for what the network does; SystemError when not even a socket can be had.
//
// With ResolverConfig::dnssec a server that has answered has to prove, once in a Resolver's life, that it
// validates. The root is signed: of its SOA record a server that validates says that it is authentic, and one
// that does not, or has no trust anchor, cannot. 10.in-addr.arpa never is (RFC 6303 section 3: served
// locally, or delegated unsigned): a server that says so of it sets the bit without looking. A server that
// answers either wrongly makes nothing authentic; one that does not answer them makes the look-up temporary,
// because who is able to stop that answer must not gain by it. What it cannot prove: that the server would
// find out a forged answer. And on the way from a trusted server on another host the bit may be forged.
class Resolver {
 public:
  explicit Resolver(ResolverConfig config) : config_(std::move(config)) {}
  std::chrono::milliseconds limit() const { return config_.limit; }  // of one look-up

  DnsAnswer<MxRecord> mx(std::string_view name) const;  // in the order they came
  DnsAnswer<IpAddress> a(std::string_view name) const;
  DnsAnswer<IpAddress> aaaa(std::string_view name) const;
  // AAAA and A asked at once; IPv6 addresses first. temporary only when nothing was found and one of the two
  // failed; no_data only when neither has any.
  DnsAnswer<IpAddress> addresses(std::string_view name) const;
  DnsAnswer<std::string> ptr(const IpAddress& address) const;
  DnsAnswer<std::string> txt(std::string_view name) const;    // each record's strings joined, raw bytes
  DnsAnswer<std::string> cname(std::string_view name) const;  // the alias itself, one step
  // Any other type: record data as it came (TLSA).
  DnsAnswer<std::string> raw(std::string_view name, std::uint16_t type) const;

  // What a server proved; only those that answered both questions are kept.
  struct Validation {
    Endpoint server;
    std::string obstacle;  // why its AD bit counts for nothing: a clause; empty: it validates
  };

 private:
  ResolverConfig config_;
  mutable std::vector<Validation> validations_;
};

}  // namespace hato

// A scripted DNS server for tests: a thread, on UDP and TCP of one loopback address and port. It answers with
// the records it was given, follows aliases among them, and misbehaves where told to.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/net/dns.h"
#include "tests/program/server_thread.h"

namespace hato::test {

class DnsServer {
 public:
  explicit DnsServer(const std::string& address = "127.0.0.1");
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  const Endpoint& endpoint() const { return endpoint_; }
  std::string control_line() const { return endpoint_.address.with_port(endpoint_.port); }

  // Before the first query.
  void mx(const std::string& name, unsigned preference, const std::string& host);
  void a(const std::string& name, const std::string& address);  // either family
  void cname(const std::string& name, const std::string& target);
  void txt(const std::string& name, const std::vector<std::string>& strings);
  void ptr(const std::string& name, const std::string& target);
  void exists(const std::string& name);                                          // without records
  void record(const std::string& name, unsigned type, const std::string& data);  // any other type
  // It proves that it validates (lib/net/dns.h), and all answers have the AD bit from here on, but for those
  // that come across a name that was unsigned.
  void validates();
  void unsign(const std::string& name) { unsigned_.insert(name); }
  // An alias to one label with these bytes, whatever they are.
  void cname_bytes(const std::string& name, const std::string& label);

  enum class Trick {
    silent,  // no answer at all
    servfail,
    refused,
    truncated,         // over UDP the TC bit and no records
    truncated_always,  // over TCP too
    no_tcp,            // as truncated, and the TCP connection is closed without an answer
    wrong_id,          // first a lie with another id, then the truth
    wrong_question,    // first a lie about another name, then the truth
    rubbish,           // first bytes that are no message, then the truth
    flood,             // over UDP 200 lies with other ids and no truth
    contradiction,     // NXDOMAIN, with the records all the same
    strangers,         // in front of the truth records of other names: this type, and an alias
    formerr_on_edns,   // FORMERR without an OPT record to a query that has one
    referral,          // neither authoritative nor recursive, nothing in it
    authentic,         // with the AD bit
    slow,              // the truth after 300 ms
    one_alias_only,    // an alias, and not what it points to
  };
  void trick(const std::string& name, Trick trick);
  void trick_all(Trick trick) { all_.insert(trick); }

  // "MX a.test", "AAAA mx.a.test/tcp", in the order they came.
  std::vector<std::string> queries() const;
  std::size_t count(const std::string& query) const;

 private:
  void serve();
  bool has(const std::string& name, Trick trick) const;
  std::string answer(std::string_view query, bool tcp, bool lie);
  void over_udp();
  void over_tcp();

  Endpoint endpoint_;
  Fd udp_, tcp_;
  std::map<std::pair<std::string, unsigned>, std::vector<std::string>> records_;  // (name, type) -> data
  std::map<std::string, std::string> aliases_;
  std::map<std::string, std::string> odd_aliases_;  // name -> wire form of the target
  std::set<std::string> names_, unsigned_;
  bool validates_ = false;
  std::map<std::string, std::set<Trick>> tricks_;
  std::set<Trick> all_;
  mutable std::mutex mutex_;
  std::vector<std::string> queries_;
  ServerThread thread_;
};

}  // namespace hato::test

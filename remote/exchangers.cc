#include "remote/exchangers.h"

#include <sys/random.h>

#include <algorithm>
#include <random>

#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "remote/report.h"

namespace hato {

namespace {

NoTarget no_such_host(const std::string& name) {
  return {'D', "Sorry, I couldn't find any host named " + printable(name) + ". (#5.1.2)\n"};
}

NoTarget dns_trouble(bool alias_loop, const std::string& problem) {
  NoTarget trouble{'Z', alias_loop ? "CNAME lookup failed temporarily. (#4.4.3)\n"
                                   : "Sorry, I couldn't find any host by that name. (#4.1.2)\n"};
  if (!problem.empty()) trouble.text += problem + ".\n";
  return trouble;
}

NoTarget circle() {
  return {'D',
          "Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
          "it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n"};
}

// The first max_exchanger_addresses, those of IPv6 and IPv4 in turns.
std::vector<IpAddress> in_turns(const std::vector<IpAddress>& addresses) {
  std::deque<IpAddress> families[2];
  for (const IpAddress& address : addresses) families[address.is_v4() ? 1 : 0].push_back(address);
  std::vector<IpAddress> mixed;
  for (int turn = 0; mixed.size() < max_exchanger_addresses; turn = 1 - turn) {
    if (families[0].empty() && families[1].empty()) break;
    if (families[turn].empty()) continue;
    mixed.push_back(families[turn].front());
    families[turn].pop_front();
  }
  return mixed;
}

std::uint32_t random_number() {
  std::uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) throw_errno("getrandom");
  return number;
}

}  // namespace

void sort_exchangers(std::vector<MxRecord>& records) {
  if (records.size() < 2) return;
  std::minstd_rand random(random_number());
  std::shuffle(records.begin(), records.end(), random);
  std::stable_sort(records.begin(), records.end(),
                   [](const MxRecord& a, const MxRecord& b) { return a.preference < b.preference; });
}

Exchangers Exchangers::of_domain(const std::string& domain, const Resolver& resolver,
                                 const OwnAddresses* own) {
  Exchangers exchangers(resolver, own);
  const bool bracketed = domain.starts_with('[');
  // A bare address is no domain, but qmail takes it for one and so do its users' old address books.
  const auto literal = bracketed ? IpAddress::parse_literal(domain) : IpAddress::parse(domain);
  if (literal) {
    if (own != nullptr && own->has(*literal))
      exchangers.why_none_ = circle();
    else
      exchangers.targets_.push_back(exchangers.target_of({0, domain}, *literal));
    return exchangers;
  }
  const std::optional<std::string> ascii = bracketed ? std::nullopt : to_ascii_domain(domain);
  if (!ascii)
    exchangers.why_none_ = no_such_host(domain);
  else
    exchangers.take_mx(*ascii);
  return exchangers;
}

Exchangers Exchangers::of_relay(const std::string& relay, const Resolver& resolver) {
  Exchangers exchangers(resolver, nullptr);
  exchangers.relay_ = true;
  if (const std::optional<IpAddress> address = IpAddress::parse(relay)) {
    exchangers.targets_.push_back(exchangers.target_of({0, relay}, *address));
    return exchangers;
  }
  const std::optional<std::string> ascii = to_ascii_domain(relay);
  exchangers.why_none_ = {'Z', "Sorry, I couldn't find the relay " + printable(relay) +
                                   " that control/smtproutes names. (#4.4.3)\n"};
  if (ascii) exchangers.hosts_.push_back({0, *ascii});
  exchangers.hosts_authentic_ = true;  // the operator says so
  exchangers.domain_ = ascii.value_or("");
  return exchangers;
}

void Exchangers::take_mx(const std::string& domain) {
  DnsAnswer<MxRecord> mx = resolver_.mx(domain);
  hosts_authentic_ = mx.authentic;
  domain_ = mx.name;
  unproved_ = std::move(mx.unproved);
  switch (mx.status) {
    case DnsStatus::no_name:
      why_none_ = no_such_host(domain);
      return;
    case DnsStatus::temporary:
      why_none_ = dns_trouble(mx.alias_loop, mx.problem);
      return;
    case DnsStatus::no_data:
      implicit_ = true;
      hosts_.push_back({0, domain});
      why_none_ = {'D', "Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"};
      return;
    case DnsStatus::found:
      break;
  }
  if (mx.records.size() == 1 && mx.records[0].host == ".") {
    why_none_ = {'D', "Sorry, " + printable(domain) +
                          " does not accept mail: it says so by a null MX record. (#5.1.10)\n"};
    return;
  }
  why_none_ = {'D', "Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"};
  sort_exchangers(mx.records);
  for (MxRecord& record : mx.records)
    if (record.host != "." && hosts_.size() < max_exchangers)
      hosts_.push_back({record.preference, std::move(record.host)});
}

Target Exchangers::target_of(const Host& host, const IpAddress& address) const {
  Target target;
  target.address = address;
  target.host = target.end = host.name;
  target.domain = domain_;
  target.unproved = unproved_;
  return target;
}

bool Exchangers::take_addresses(const Host& host, std::vector<Target>& targets) {
  // An MX that names an address is wrong (RFC 1035 section 3.3.9) and common.
  if (const std::optional<IpAddress> address = IpAddress::parse(host.name)) {
    targets.push_back(target_of(host, *address));
    return own_ != nullptr && own_->has(*address);
  }
  if (end_.passed()) {
    note_trouble(false, "the look-ups for its mail exchangers took too long");
    return false;
  }
  const DnsAnswer<IpAddress> found = resolver_.addresses(host.name);
  if (found.status == DnsStatus::temporary) note_trouble(found.alias_loop, found.problem);
  if (implicit_ && found.status == DnsStatus::no_name) why_none_ = no_such_host(host.name);
  for (const IpAddress& address : in_turns(found.records)) {
    Target target = target_of(host, address);
    target.host_authentic = hosts_authentic_;
    target.address_authentic = found.authentic;
    target.end = found.name;
    if (target.unproved.empty()) target.unproved = found.unproved;
    targets.push_back(std::move(target));
  }
  return own_ != nullptr && std::any_of(found.records.begin(), found.records.end(),
                                        [&](const IpAddress& address) { return own_->has(address); });
}

void Exchangers::note_trouble(bool alias_loop, const std::string& problem) {
  trouble_ = true;
  if (relay_)
    why_none_.text += problem + ".\n";
  else
    why_none_ = dns_trouble(alias_loop, problem);
}

void Exchangers::look_up_next_preference() {
  const std::uint16_t preference = hosts_.front().preference;
  std::vector<Target> targets;
  bool ours = false;
  for (; !hosts_.empty() && hosts_.front().preference == preference; hosts_.pop_front())
    if (take_addresses(hosts_.front(), targets)) ours = true;
  if (ours) {
    hosts_.clear();
    if (!trouble_) why_none_ = circle();
    return;
  }
  for (Target& target : targets) {
    if (std::find(seen_.begin(), seen_.end(), target.address) != seen_.end()) continue;
    seen_.push_back(target.address);
    targets_.push_back(std::move(target));
  }
}

std::optional<Target> Exchangers::next_rival(const Target& target) {
  if (targets_.empty() || targets_.front().host != target.host) return std::nullopt;
  if (targets_.front().address.is_v4() == target.address.is_v4()) return std::nullopt;
  return next();
}

std::optional<Target> Exchangers::next() {
  while (targets_.empty() && !hosts_.empty()) look_up_next_preference();
  if (targets_.empty()) return std::nullopt;
  Target target = std::move(targets_.front());
  targets_.pop_front();
  return target;
}

}  // namespace hato

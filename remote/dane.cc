#include "remote/dane.h"

#include <algorithm>

#include "remote/report.h"

namespace hato {

namespace {

using Kind = DaneDemand::Kind;

DaneDemand unknown(const std::string& host, const std::string& problem) {
  DaneDemand demand;
  demand.kind = Kind::unknown;
  demand.problem = "The TLSA records of " + printable(host) +
                   " could not be looked up, without which this mail must not go there. (#4.4.3)\n" +
                   problem + ".\n";
  return demand;
}

}  // namespace

const DaneDemand& DaneDemands::of(const Target& target) {
  auto known = known_.find(target.host);
  if (known == known_.end()) known = known_.emplace(target.host, look_up(target)).first;
  return known->second;
}

// False: there are none here that DNSSEC vouches for; look elsewhere, if there is a place.
bool DaneDemands::take_records(const std::string& base_domain, DaneDemand& demand) const {
  if (end_.passed()) {
    demand = unknown(base_domain, "The look-ups took too long");
    return true;
  }
  const DnsAnswer<std::string> answer = resolver_.raw(tlsa_name(base_domain, port_), dns_type::tlsa);
  if (answer.status == DnsStatus::temporary) {
    demand = unknown(base_domain, answer.problem);
    return true;
  }
  if (!answer.found() || !answer.authentic) return false;
  demand.base_domain = base_domain;
  demand.records = tlsa_that_count(answer.records);
  demand.kind = demand.records.empty() ? Kind::encryption : Kind::identity;
  return true;
}

DaneDemand DaneDemands::look_up(const Target& target) const {
  DaneDemand demand;
  demand.problem = target.unproved;
  if (!target.host_authentic) return demand;
  const bool alias = target.end != target.host;
  if (!target.address_authentic) {
    // The alias may be signed where what it points to is not: then the records are the alias's
    // (section 2.2.2).
    if (!alias) return demand;
    const DnsAnswer<std::string> step = resolver_.cname(target.host);
    if (step.status == DnsStatus::temporary) return unknown(target.host, step.problem);
    if (!step.authentic) return demand;
  }
  const bool at_end = alias && target.address_authentic && take_records(target.end, demand);
  if (!at_end && !take_records(target.host, demand)) return demand;
  if (demand.kind != Kind::identity) return demand;
  for (const std::string& name : {demand.base_domain, target.domain})
    if (!name.empty() && std::find(demand.names.begin(), demand.names.end(), name) == demand.names.end())
      demand.names.push_back(name);
  return demand;
}

}  // namespace hato

#include "lib/net/next_hop.h"

#include <unistd.h>

#include <optional>

#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/net/smtproutes.h"

namespace hato {

std::string_view host_of_hop(std::string_view name) {
  const std::size_t colon = name.rfind(':'), bracket = name.rfind(']');
  const bool port = colon != name.npos && (bracket == name.npos || bracket < colon);
  return port ? name.substr(0, colon) : name;
}

NextHop next_hop(const std::vector<std::string>& lines, std::string_view domain) {
  const std::optional<SmtpRoute> route = find_smtp_route(lines, domain);
  NextHop hop;
  hop.host = canonical_domain(route && !route->relay.empty() ? std::string_view(route->relay) : domain);
  if (hop.host.find(':') != hop.host.npos && hop.host[0] != '[') hop.host = "[" + hop.host + "]";
  hop.name = hop.host;
  if (route && route->port != smtp_port) hop.name += ":" + std::to_string(route->port);
  hop.route = hop.name;
  if (!route) return hop;
  hop.route += route->relay.empty() ? " mx" : " relay";
  if (route->qmtp) hop.route += " qmtp";
  for (const std::string& word : route->words) hop.route += " " + word;
  hop.route += " " + route->problem;
  return hop;
}

void NextHops::refresh(std::int64_t now_seconds) {
  const std::uint64_t generation = watch_.generation(now_seconds);
  if (read_ && generation == generation_ && generation != 0) return;
  lines_ = control_.lines("smtproutes").value_or(std::vector<std::string>());
  const auto there = [&](const char* name) { return access(control_.path(name).c_str(), F_OK) == 0; };
  by_domain_ = there("tlshosts");
  by_sender_ = there("bindroutes") || there("smtpauth");
  kept_.clear();
  generation_ = generation;
  read_ = true;
}

const NextHop& NextHops::of(std::string_view domain, std::int64_t now_seconds) {
  refresh(now_seconds);
  const std::string key(domain);
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  if (kept_.size() >= most_kept) kept_.clear();
  return kept_.emplace(key, next_hop(lines_, domain)).first->second;
}

std::string NextHops::connection_key(std::string_view sender, std::string_view recipient_domain,
                                     std::int64_t now_seconds) {
  std::string key = of(recipient_domain, now_seconds).route;
  if (generation_ == 0) return "";
  key += '\n' + std::to_string(generation_);
  key += '\n';
  if (by_domain_) key += canonical_domain(recipient_domain);
  key += '\n';
  if (by_sender_) key += canonical_domain(domain_part(sender));
  return key;
}

}  // namespace hato

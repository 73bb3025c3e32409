#include "smtpd/etrn.h"

#include <algorithm>

#include "lib/base/words.h"
#include "lib/net/send_request.h"

namespace hato::smtpd {

namespace {

bool covers(std::string_view allowed, std::string_view domain) {
  if (allowed == domain) return true;
  if (!allowed.starts_with('.')) return false;
  return allowed.substr(1) == domain || domain.ends_with(allowed);
}

}  // namespace

std::optional<std::string> etrn_domain(std::string_view argument) {
  const bool below = argument.starts_with('@');
  if (below) argument.remove_prefix(1);
  if (argument.empty() || argument[0] == '#' || argument[0] == '.' || argument[0] == '@') return std::nullopt;
  const std::optional<std::string> domain = flush_domain(argument);
  if (!domain || !below) return domain;
  return "." + *domain;
}

bool EtrnPolicy::add(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::optional<std::string> domain = flush_domain(line.substr(0, colon));
  if (!domain) return false;
  Row row{*domain, false, false, {}};
  std::string_view rest = line.substr(colon + 1);
  bool some = false;
  while (const std::optional<std::string_view> who = next_word(rest)) {
    some = true;
    if (who == "relay") {
      row.relay = true;
    } else if (who == "any") {
      row.any = true;
    } else if (const std::optional<IpNetwork> network = IpNetwork::parse(*who)) {
      row.networks.push_back(*network);
    } else {
      return false;
    }
  }
  if (some) rows_.push_back(std::move(row));
  return some;
}

bool EtrnPolicy::allows(std::string_view domain, const Client& client) const {
  const std::optional<IpAddress> ip = IpAddress::parse(client.ip);
  return std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
    if (!covers(row.domain, domain)) return false;
    if (row.any || (row.relay && client.relay)) return true;
    return ip && std::any_of(row.networks.begin(), row.networks.end(),
                             [&](const IpNetwork& network) { return network.contains(*ip); });
  });
}

}  // namespace hato::smtpd

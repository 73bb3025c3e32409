#include "lib/mail/router.h"

#include "lib/mail/domain.h"

namespace hato {

namespace {

// A key of virtualdomains: "domain", ".domain", "user@domain" or "".
std::string table_key(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos)
    return to_lower_ascii(text.substr(0, at + 1)) + canonical_domain(text.substr(at + 1));
  if (text.starts_with('.')) return "." + canonical_domain(text.substr(1));
  return canonical_domain(text);
}

std::unordered_set<std::string> domain_set(const std::vector<std::string>& lines) {
  std::unordered_set<std::string> set;
  for (const std::string& line : lines) set.insert(canonical_domain(line));
  return set;
}

// Of lines KEY:TEXT.
template <typename Key, typename Text>
std::unordered_map<std::string, std::string> line_map(const std::vector<std::string>& lines, Key key,
                                                      Text text) {
  std::unordered_map<std::string, std::string> map;
  for (const std::string& line : lines) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string_view whole = line;
    map[key(whole.substr(0, colon))] = text(whole.substr(colon + 1));
  }
  return map;
}

std::string as_it_is(std::string_view text) {
  return std::string(text);
}

Route prepended(std::string_view prepend, const std::string& address) {
  return {Channel::local, std::string(prepend) + "-" + address, prepend.size() + 1};
}

}  // namespace

Router::Router(const RoutingLines& lines, const std::vector<std::string>& percenthack,
               std::string envnoathost, AccountDomains accounts)
    : percenthack_(domain_set(percenthack)),
      envnoathost_(std::move(envnoathost)),
      accounts_(std::move(accounts)) {
  replace(lines);
}

void Router::replace(const RoutingLines& lines) {
  locals_ = domain_set(lines.locals);
  virtualdomains_ = line_map(lines.virtualdomains, table_key, as_it_is);
  domainaliases_ = line_map(lines.domainaliases, canonical_domain, as_it_is);
  subdomains_ = domain_set(lines.subdomains);
}

const std::string* Router::virtual_prepend(std::string_view user, const std::string& domain) const {
  if (virtualdomains_.empty()) return nullptr;
  const auto find = [this](const std::string& key) -> const std::string* {
    const auto found = virtualdomains_.find(key);
    return found == virtualdomains_.end() ? nullptr : &found->second;
  };
  if (const std::string* prepend = find(to_lower_ascii(user) + "@" + domain)) return prepend;
  if (domain.empty()) return nullptr;  // "" is the key for everything
  if (const std::string* prepend = find(domain)) return prepend;
  for (std::size_t dot = domain.find('.'); dot != std::string::npos; dot = domain.find('.', dot + 1))
    if (const std::string* prepend = find(domain.substr(dot))) return prepend;
  return nullptr;
}

const std::string* Router::virtual_prepend_for_all() const {
  const auto found = virtualdomains_.find("");
  return found == virtualdomains_.end() ? nullptr : &found->second;
}

std::string_view Router::subdomain_label(std::string_view domain) const {
  if (subdomains_.empty()) return "";
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1))
    if (subdomains_.contains(std::string(domain.substr(dot + 1)))) return domain.substr(0, dot);
  return "";
}

ByHand Router::by_hand(std::string_view local, const std::string& domain) const {
  if (locals_.contains(domain)) return ByHand::locals;
  if (virtualdomains_.empty()) return ByHand::no;
  // Which part of it was put in front is not told: each is tried that could be.
  const std::string* const for_all = account_domain(domain) ? nullptr : virtual_prepend_for_all();
  for (std::size_t dash = local.find('-'); dash != std::string_view::npos; dash = local.find('-', dash + 1)) {
    const std::string_view front = local.substr(0, dash);
    const std::string* prepend = virtual_prepend(local.substr(dash + 1), domain);
    if (prepend == nullptr) prepend = for_all;
    if (prepend != nullptr && !prepend->empty() && *prepend == front) return ByHand::virtualdomains;
  }
  return ByHand::no;
}

std::optional<AccountDomain> Router::account_domain(const std::string& domain) const {
  if (const std::string_view label = subdomain_label(domain); !label.empty())
    return AccountDomain{std::string(label), false};
  if (!accounts_ || domain.empty()) return std::nullopt;
  AccountDomain account = accounts_(domain);
  if (account.owner.empty() && !account.logins) return std::nullopt;
  return account;
}

Route Router::route(std::string_view recipient) const {
  std::string address(recipient);
  std::size_t at = address.rfind('@');
  if (at == std::string::npos) {
    at = address.size();
    address += "@" + envnoathost_;
  }
  std::string domain = canonical_domain(std::string_view(address).substr(at + 1));
  while (percenthack_.contains(domain)) {
    const std::size_t percent = at == 0 ? std::string::npos : address.rfind('%', at - 1);
    if (percent == std::string::npos) break;
    address.resize(at);
    address[percent] = '@';
    at = percent;
    domain = canonical_domain(std::string_view(address).substr(at + 1));
  }
  for (bool aliased = false;; aliased = true) {
    if (locals_.contains(domain)) return {Channel::local, address, 0};
    if (const std::string* prepend = virtual_prepend(std::string_view(address).substr(0, at), domain))
      return prepend->empty() ? Route{Channel::remote, address, 0} : prepended(*prepend, address);
    const auto alias = domainaliases_.find(domain);
    if (aliased || alias == domainaliases_.end()) break;
    address.resize(at + 1);
    address += alias->second;
    at = address.rfind('@');
    domain = canonical_domain(std::string_view(address).substr(at + 1));
  }
  if (const std::optional<AccountDomain> account = account_domain(domain))
    return account->owner.empty() ? Route{Channel::local, address, 0} : prepended(account->owner, address);
  const std::string* const for_all = virtual_prepend_for_all();
  if (for_all != nullptr && !for_all->empty()) return prepended(*for_all, address);
  return {Channel::remote, address, 0};
}

}  // namespace hato

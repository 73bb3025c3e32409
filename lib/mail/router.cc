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

std::unordered_map<std::string, std::string> prepend_map(const std::vector<std::string>& lines) {
  std::unordered_map<std::string, std::string> map;
  for (const std::string& line : lines) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    map[table_key(std::string_view(line).substr(0, colon))] = line.substr(colon + 1);
  }
  return map;
}

}  // namespace

Router::Router(const std::vector<std::string>& locals, const std::vector<std::string>& virtualdomains,
               const std::vector<std::string>& percenthack, std::string envnoathost)
    : percenthack_(domain_set(percenthack)), envnoathost_(std::move(envnoathost)) {
  replace(locals, virtualdomains);
}

void Router::replace(const std::vector<std::string>& locals, const std::vector<std::string>& virtualdomains) {
  locals_ = domain_set(locals);
  virtualdomains_ = prepend_map(virtualdomains);
}

const std::string* Router::virtual_prepend(std::string_view user, const std::string& domain) const {
  if (virtualdomains_.empty()) return nullptr;
  const auto find = [this](const std::string& key) -> const std::string* {
    const auto found = virtualdomains_.find(key);
    return found == virtualdomains_.end() ? nullptr : &found->second;
  };
  if (const std::string* prepend = find(to_lower_ascii(user) + "@" + domain)) return prepend;
  if (const std::string* prepend = find(domain)) return prepend;
  for (std::size_t dot = domain.find('.'); dot != std::string::npos; dot = domain.find('.', dot + 1))
    if (const std::string* prepend = find(domain.substr(dot))) return prepend;
  return find("");
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
  if (locals_.contains(domain)) return {Channel::local, address, 0};
  const std::string* prepend = virtual_prepend(std::string_view(address).substr(0, at), domain);
  if (prepend != nullptr && !prepend->empty())
    return {Channel::local, *prepend + "-" + address, prepend->size() + 1};
  return {Channel::remote, address, 0};
}

}  // namespace hato

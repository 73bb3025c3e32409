#include "lib/net/relay_policy.h"

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/store/accounts.h"

namespace hato {

namespace {

std::string canonical_sender(std::string_view sender) {
  const std::size_t at = sender.rfind('@');
  if (at == std::string_view::npos) return to_lower_ascii(sender);
  return to_lower_ascii(sender.substr(0, at + 1)) + canonical_domain(sender.substr(at + 1));
}

template <typename Canonical>
std::string canonical_lines(std::string_view text, Canonical canonical) {
  std::string lines;
  lines.reserve(text.size() + 1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t last = line.find_last_not_of(" \t\r");
    if (last != std::string_view::npos && line[0] != '#')
      lines.append(canonical(line.substr(0, last + 1))) += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

template <typename Test>
bool any_line(std::string_view lines, Test test) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (test(lines.substr(0, end))) return true;
    lines.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

std::string rcpthosts_key(std::string_view line) {
  if (line.starts_with('.')) return "." + canonical_domain(line.substr(1));
  return canonical_domain(line);
}

HostList::HostList(std::string_view text) : lines_(canonical_lines(text, rcpthosts_key)) {}

bool HostList::contains(std::string_view domain) const {
  return any_line(lines_, [&](std::string_view line) {
    return line == domain || (line[0] == '.' && domain.ends_with(line));
  });
}

SenderList::SenderList(std::string_view text) : lines_(canonical_lines(text, canonical_sender)) {}

bool SenderList::contains(std::string_view sender) const {
  if (lines_.empty()) return false;
  const std::string whole = canonical_sender(sender);
  const std::size_t at = whole.rfind('@');
  const std::string_view host =
      at == std::string::npos ? std::string_view() : std::string_view(whole).substr(at);
  return any_line(lines_,
                  [&](std::string_view line) { return line == whole || (!host.empty() && line == host); });
}

bool RecipientPolicy::allows(std::string_view address) {
  if (!rcpthosts || address.find('@') == std::string_view::npos) return true;
  const std::string domain = canonical_domain(domain_part(address));
  if (rcpthosts->contains(domain)) return true;
  if (accounts && is_account_domain(*accounts, domain)) return true;
  if (!morercpthosts) return false;
  for (std::size_t at = 0; at < domain.size(); ++at)
    if ((at == 0 || domain[at] == '.') && morercpthosts->contains(std::string_view(domain).substr(at)))
      return true;
  return false;
}

RecipientPolicy read_recipient_policy(const Control& control) {
  RecipientPolicy policy;
  if (const auto text = control.text("rcpthosts")) {
    policy.rcpthosts.emplace(*text);
    policy.morercpthosts = Cdb::open(control.path("morercpthosts.cdb"));
    policy.accounts = Cdb::open(std::string(conf::home) + accounts_file);
  }
  return policy;
}

std::string replace_local_literal(std::string address, const OwnAddresses& ours,
                                  const std::string& localiphost) {
  const std::string_view domain = domain_part(address);
  if (localiphost.empty() || !domain.starts_with('[')) return address;
  const std::optional<IpAddress> ip = IpAddress::parse_literal(domain);
  if (!ip || !ours.has(*ip)) return address;
  address.resize(address.size() - domain.size());
  return address += localiphost;
}

}  // namespace hato

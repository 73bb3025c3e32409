#include "inject/qualify.h"

#include "lib/mail/address.h"

namespace hato {

std::string qualified(std::string_view local, std::string_view domain, const AddressDefaults& defaults) {
  if (local.empty() && domain.empty()) return std::string();
  if (domain.ends_with('.')) domain.remove_suffix(1);
  std::string host(domain.empty() ? std::string_view(defaults.host) : domain);
  if (!host.starts_with('[')) {
    if (host.ends_with('+')) {
      host.pop_back();
      host += "." + defaults.plus_domain;
    }
    if (host.find('.') == std::string::npos) host += "." + defaults.domain;
  }
  return std::string(local) + "@" + host;
}

std::string qualified(std::string_view raw, const AddressDefaults& defaults) {
  if (raw.starts_with('@')) {
    const std::size_t colon = raw.find(':');
    if (colon != std::string_view::npos) raw.remove_prefix(colon + 1);
  }
  // "-@[]" behind a VERP sender is no host of its own: owner-@host-@[] stays as it is.
  if (raw.ends_with("@[]")) return std::string(raw);
  return qualified(local_part(raw), domain_part(raw), defaults);
}

}  // namespace hato

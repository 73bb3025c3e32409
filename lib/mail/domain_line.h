// The line of a control file that speaks about a domain: smtproutes, bindroutes, limits per host. Pure.
//
//   domain:text     [192.0.2.1]:text     the domain or address literal itself
//   .domain:text                         every name below domain, not domain itself
//   :text                                everything else
//
// The longest domain that fits wins; of equal ones the last. Domains are compared without regard to case, in
// U- or A-label form.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

// What stands behind the colon of the line for `domain`; nullopt: there is none. Points into `lines`. An
// empty domain (the null sender's) fits only a line that is for everything.
std::optional<std::string_view> find_domain_line(const std::vector<std::string>& lines,
                                                 std::string_view domain);

}  // namespace hato

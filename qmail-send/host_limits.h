// control/concurrencyremotehost and control/rateremotehost: a number for each host. Pure.
//
//   5                  all hosts
//   host.example:2     this one: a recipient's domain, or a relay of control/smtproutes whatever its port
//   (IPv6
//                      addresses in brackets)
//   .example:2         all hosts below example
//   :5                 all hosts, as a line without a colon
//
// As in smtproutes the longest name that fits wins, and of equal ones the last.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

class HostLimits {
 public:
  HostLimits() = default;
  // Lines as the control file has them. Throws TempError for one that is none of these: a limit that does not
  // work must not look as if it did.
  HostLimits(const std::string& file, const std::vector<std::string>& lines, std::uint32_t most);

  // 0: none.
  std::uint32_t of(std::string_view host) const;

 private:
  std::vector<std::string> lines_;  // all with a colon, numbers checked
};

}  // namespace hato

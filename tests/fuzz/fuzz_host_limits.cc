// control/concurrencyremotehost and rateremotehost, and the names of hosts that are looked up in them.
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/net/next_hop.h"
#include "qmail-send/host_limits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines;
  std::string_view rest = text;
  for (std::size_t end; (end = rest.find('\n')) != rest.npos && lines.size() < 20;
       rest.remove_prefix(end + 1))
    lines.emplace_back(rest.substr(0, end));
  const NextHop hop = next_hop(lines, rest);
  if (host_of_hop(hop.name) != hop.host && hop.host.find(':') == hop.host.npos) abort();
  try {
    if (HostLimits("f", lines, 1000).of(hop.host) > 1000) abort();
  } catch (const TempError&) {
  }
  return 0;
}

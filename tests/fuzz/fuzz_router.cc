// Routing with control files and an address from the same input: lines, an empty line, then the address.
#include <stdlib.h>

#include "lib/mail/router.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> tables[3];
  unsigned table = 0;
  while (!rest.empty() && table < 3) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end == 0)
      ++table;
    else
      tables[table].emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const Router router(tables[0], tables[1], tables[2], "me.example");
  const Route route = router.route(rest);
  if (route.recipient.find('@') == std::string::npos) abort();
  if (route.prepended > route.recipient.size()) abort();
  if (route.channel == Channel::remote && route.prepended != 0) abort();
  if (route.prepended > 0 && route.recipient[route.prepended - 1] != '-') abort();
  return 0;
}

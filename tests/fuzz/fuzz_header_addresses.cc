// Address lists: spans in order, and a rewritten list reads as the rewritten addresses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/address.h"
#include "lib/mail/header_addresses.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto addresses = parse_address_list(text);
  if (!addresses) return 0;
  std::size_t at = 0;
  for (const HeaderAddress& address : *addresses) {
    if (address.begin < at || address.end < address.begin || address.item_end < address.end) std::abort();
    if (address.item_end > text.size()) std::abort();
    at = address.end;
  }
  const auto same = rewrite_address_list(text, *addresses, [](const HeaderAddress& a) { return a.raw(); });
  const auto again = parse_address_list(same);
  if (!again || again->size() != addresses->size()) return 0;  // text that was no address to begin with
  rewrite_address_list(text, *addresses, [](const HeaderAddress&) { return std::string("x y@example.jp"); });
  return 0;
}

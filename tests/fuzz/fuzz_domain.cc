// Domains: the canonical form is ASCII in lower case within DNS's limits, and its own canonical form.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (!same_domain(input, input)) std::abort();
  punycode(input);
  const auto ascii = to_ascii_domain(input);
  if (!ascii || ascii->starts_with("[")) return 0;
  if (!is_ascii(*ascii) || ascii->empty() || ascii->size() > max_domain) std::abort();
  if (to_lower_ascii(*ascii) != *ascii) std::abort();
  const auto again = to_ascii_domain(*ascii);
  if (!again || *again != *ascii || !same_domain(input, *ascii)) std::abort();
  return 0;
}

// Names in a Maildir come from any program: what is read from them keeps its promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/store/maildir.h"
#include "pop3d/mailbox.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  if (hato::arrival_of_name(name) < -1) std::abort();
  if (hato::size_of_name(name) < -1) std::abort();
  const std::string id = hato::unique_id_of_name(name);
  if (id.empty() || id.size() > 70) std::abort();
  for (const char c : id)
    if (c < 0x21 || c > 0x7e) std::abort();
  if (hato::unique_id_of_name(std::string(name) + ":2,S") != id) std::abort();
  return 0;
}

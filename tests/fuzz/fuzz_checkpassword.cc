// Descriptor 3 of the checkpassword interface.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "checkpassword/credentials.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto credentials = hato::parse_credentials(text)) {
    const std::size_t used = credentials->login.text().size() + credentials->password.text().size() +
                             credentials->timestamp.size() + 3;
    if (used > size) std::abort();
    if (credentials->login.text().find('\0') != std::string::npos) std::abort();
  }
  return 0;
}

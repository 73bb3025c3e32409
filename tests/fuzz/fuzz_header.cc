// Header fields: views that lie one behind the other in the message and cover all of the header.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/header.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  HeaderFields fields(message);
  std::size_t at = 0;
  while (const auto field = fields.next()) {
    if (field->name.empty() || field->all.empty() || field->all.data() != message.data() + at) std::abort();
    if (!starts_field(field->all)) std::abort();
    at += field->all.size();
    if (fields.offset() != at) std::abort();
    if (unfolded(field->body).find('\n') != std::string::npos) std::abort();
  }
  const std::size_t body = body_offset(message);
  if (body < at || body > at + 2 || body > message.size()) std::abort();
  return 0;
}

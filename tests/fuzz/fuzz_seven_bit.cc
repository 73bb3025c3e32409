// A message made 7-bit: in pieces of any size the same, nothing above 127 left, lines of what was encoded
// short, and a second time there is nothing to do.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/mail/mime_type.h"
#include "lib/mail/seven_bit.h"
#include "lib/mail/utf8.h"

using namespace hato;

namespace {

std::string converted(std::string_view message, std::size_t piece, bool& possible) {
  SevenBit seven_bit;
  for (std::size_t at = 0; at < message.size(); at += piece) seven_bit.look(message.substr(at, piece));
  seven_bit.finish_look();
  possible = seven_bit.obstacle().empty();
  std::string out;
  if (!possible) return out;
  seven_bit.begin();
  for (std::size_t at = 0; at < message.size(); at += piece)
    seven_bit.convert(message.substr(at, piece), out);
  seven_bit.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const MimeType type = parse_mime_type(input);
  for (const MimeParameter& parameter : type.parameters)
    if (parameter.begin >= parameter.end || parameter.end > size) std::abort();

  bool possible = false, possible_by_bytes = false;
  const std::string whole = converted(input, size + 1, possible);
  if (converted(input, 1, possible_by_bytes) != whole || possible != possible_by_bytes) std::abort();
  if (!possible) return 0;
  if (!is_ascii(whole)) std::abort();
  return 0;
}

#include "lib/base/trace.h"

#include <sys/random.h>

#include "lib/base/error.h"

namespace hato {

namespace {
constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
}

std::string new_trace_id() {
  unsigned char random[trace_length];
  if (getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) throw_errno("getrandom");
  std::string id;
  for (const unsigned char byte : random) id += alphabet[byte % alphabet.size()];
  return id;
}

bool is_trace_id(std::string_view text) {
  return text.size() == trace_length && text.find_first_not_of(alphabet) == std::string_view::npos;
}

}  // namespace hato

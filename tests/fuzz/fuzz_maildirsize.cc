// A customer may have written anything into his maildirsize: what is believed of it keeps its promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/store/maildirsize.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hato;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const std::optional<Quota> quota = parse_quota(text)) {
    if (quota->bytes > quota_most || quota->messages > quota_most) std::abort();
    if (parse_quota(quota_text(*quota)) != quota) std::abort();
  }
  const std::optional<Maildirsize> said = parse_maildirsize(text);
  if (!said) return 0;
  if (size > maildirsize_limit || said->lines == 0) std::abort();
  if (said->use.bytes > quota_most || said->use.messages > quota_most) std::abort();
  // What we write down of it is read as the same; one more line adds up, or is too much.
  const std::string again = maildirsize_text(said->quota, said->use);
  const std::optional<Maildirsize> reread = parse_maildirsize(again);
  if (!reread || reread->use != said->use || reread->quota != said->quota || reread->lines != 1) std::abort();
  const std::optional<Maildirsize> more = parse_maildirsize(again + maildirsize_line(1, 1));
  if (more && more->use != said->use + QuotaUse{1, 1}) std::abort();
  believable(*said, 0, said->quota, said->use);
  return 0;
}

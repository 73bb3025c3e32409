// Addresses: what a parser lets through is clean, within its limits, and comes back through quoting.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/address.h"
#include "lib/mail/domain.h"

using namespace hato;

namespace {

void require(bool fact) {
  if (!fact) std::abort();
}

void check(std::string_view input, const char* keyword, Strictness strictness) {
  const Path path = parse_path(input, keyword, strictness);
  if (!path.ok()) {
    require(path.address.empty());
    return;
  }
  require(is_clean_address(path.address));
  require(path.address.size() <= max_smtp_address);
  require(path.parameters.size() <= max_esmtp_parameters);
  for (const Parameter& parameter : path.parameters)
    require(!parameter.keyword.empty() && parameter.value.find('\0') == std::string::npos);
  const Path again = parse_path("TO:<" + quote_address(path.address) + ">", "TO", Strictness::lenient);
  require(again.ok() && again.address == path.address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const char* keyword : {"FROM", "TO"})
    for (const Strictness strictness : {Strictness::lenient, Strictness::strict})
      check(input, keyword, strictness);
  if (const auto mailbox = parse_mailbox(input)) require(is_clean_address(*mailbox));
  address_literal(input);
  return 0;
}

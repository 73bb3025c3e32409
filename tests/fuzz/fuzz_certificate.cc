// A certificate as a server sends it: whatever comes out lies in what went in; the PEM reader and base64 on
// the same.
#include <cstdint>
#include <cstdlib>

#include "lib/mail/base64.h"
#include "lib/net/certificate.h"
#include "lib/net/certificate_chain.h"
#include "lib/net/trust_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto inside = [&](std::string_view part) {
    if (part.empty()) return;
    if (part.data() < input.data() || part.data() + part.size() > input.data() + input.size()) std::abort();
  };
  if (const auto certificate = hato::Certificate::parse(input)) {
    inside(certificate->subject);
    inside(certificate->issuer);
    inside(certificate->public_key);
    if (certificate->subject.empty() || certificate->public_key.empty()) std::abort();
    if (certificate->dns_names.size() > hato::max_certificate_names) std::abort();
    for (const std::string_view name : certificate->dns_names) {
      inside(name);
      if (name.find('*') == name.npos && hato::matches_host(name, "mx.test") &&
          name.size() != (name.ends_with('.') ? 8U : 7U))
        std::abort();
    }
    hato::is_for_host(*certificate, "mx.test");
    hato::is_for_host(*certificate, "127.0.0.1");
  }
  // Nothing is trusted that is not signed.
  if (hato::chain_problem({input}, {}, 1780000000).empty()) std::abort();
  hato::issuers_in_pem(input, {input});
  if (const auto bytes = hato::from_base64(input))
    if (hato::from_base64(hato::to_base64(*bytes)) != bytes) std::abort();
  return 0;
}

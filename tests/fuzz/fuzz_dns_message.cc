// DNS answers come from the network: whatever the bytes, parsing ends, and what it gives keeps its promises;
// TLSA records among them.
#include <cstdlib>

#include "lib/net/dns.h"
#include "lib/net/dns_message.h"
#include "lib/net/tlsa.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  if (const auto message = hato::parse_dns_message(packet)) {
    for (const hato::DnsRecord& record : message->answers) {
      if (record.owner.empty() || record.owner.size() > 4 * 255) std::abort();
      if (record.type == hato::dns_type::a && record.data.size() != 4) std::abort();
      if (record.type == hato::dns_type::aaaa && record.data.size() != 16) std::abort();
      for (const char c : record.target)
        if (c <= 32 || c >= 127) std::abort();
      if (!record.target.empty())
        (void)hato::make_dns_query(1, record.target, record.type, hato::DnsEdns::dnssec);
      if (record.type != hato::dns_type::tlsa) continue;
      const std::vector<hato::TlsaRecord> records = hato::tlsa_that_count({record.data});
      if (records.size() > 1 || (!records.empty() && !records[0].usable())) std::abort();
      // Only the whole of something can be shown from here, not the source of a digest.
      if (!records.empty() && records[0].matching == hato::TlsaRecord::full &&
          records[0].selector == hato::TlsaRecord::certificate && !records[0].matches(records[0].data))
        std::abort();
    }
  }
  if (const auto wire = hato::encode_dns_name(packet); wire && wire->size() > 255) std::abort();
  (void)hato::parse_resolv_conf(packet);
  (void)hato::parse_resolver_line(packet);
  return 0;
}

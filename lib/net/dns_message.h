// DNS messages (RFC 1035 section 4, EDNS of RFC 6891): making a query, parsing an answer. Pure; no I/O.
//
// Names are text without the final dot, ASCII letters in lower case; the root is ".". A byte that is not
// printable ASCII, and a dot or backslash inside a label, is written \DDD, and such a name cannot be asked
// for again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

namespace dns_type {
constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28, opt = 41,
                        tlsa = 52;
}
namespace dns_rcode {
constexpr unsigned no_error = 0, format_error = 1, server_failure = 2, no_name = 3, not_implemented = 4,
                   refused = 5;
}

constexpr std::size_t dns_udp_size = 1232;  // what we offer by EDNS: fits every path unfragmented

// The name on the wire; nullopt when it cannot be one: an empty label, a label over 63 or a name over 255
// octets, a byte outside printable ASCII, a backslash. One final dot is ignored.
std::optional<std::string> encode_dns_name(std::string_view name);

// How much of EDNS a query has: no OPT record, one, or one with the DO bit (RFC 3225), without which some
// servers do not tell whether they validated.
enum class DnsEdns { none, plain, dnssec };

// A query for one name and type, class IN, recursion desired. nullopt as above.
std::optional<std::string> make_dns_query(std::uint16_t id, std::string_view name, std::uint16_t type,
                                          DnsEdns edns);

struct DnsRecord {
  std::string owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::string data;              // as it came; names inside may be compressed and are useless here
  std::uint16_t preference = 0;  // MX
  std::string target;            // MX, CNAME, NS, PTR: the name, uncompressed
  std::string text;              // TXT: the strings of the record joined, raw bytes
};

struct DnsMessage {
  std::uint16_t id = 0;
  bool response = false;
  bool authoritative = false;
  bool truncated = false;  // then the records were not looked at
  bool recursion_available = false;
  bool authentic = false;  // the AD bit, as the server set it
  bool edns = false;       // the answer has an OPT record
  unsigned rcode = 0;      // with the upper bits of EDNS
  std::string question;    // name; exactly one question
  std::uint16_t question_type = 0;
  std::vector<DnsRecord> answers;  // class IN only
  bool has_soa = false;            // in the authority section: the mark of a real "no such data"
};

// nullopt: not a message, cut off, a name that loops, record data that does not fit its type, or not exactly
// one question of class IN.
std::optional<DnsMessage> parse_dns_message(std::string_view packet);

// "1.2.0.192.in-addr.arpa", "…ip6.arpa": where the PTR record of an address is.
class IpAddress;
std::string dns_reverse_name(const IpAddress& address);

}  // namespace hato

#include "lib/net/dns_message.h"

#include <strings.h>

#include "lib/base/ip.h"

namespace hato {

namespace {

constexpr std::size_t header_size = 12;
constexpr std::size_t max_label = 63;
constexpr std::size_t max_name = 255;
constexpr std::uint16_t class_in = 1;

void put16(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

void put_label_byte(std::string& out, char raw) {
  const unsigned byte = static_cast<unsigned char>(raw);
  if (byte > 32 && byte < 127 && raw != '.' && raw != '\\') {
    out.push_back(lower(raw));
    return;
  }
  out.push_back('\\');
  out.push_back(static_cast<char>('0' + byte / 100));
  out.push_back(static_cast<char>('0' + byte / 10 % 10));
  out.push_back(static_cast<char>('0' + byte % 10));
}

// Walks over a packet; every take fails for good once something did not fit.
class Walker {
 public:
  explicit Walker(std::string_view packet) : packet_(packet) {}

  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }

  unsigned take16() {
    const std::string_view two = take(2);
    if (!ok_) return 0;
    return static_cast<unsigned>(static_cast<unsigned char>(two[0])) << 8 |
           static_cast<unsigned char>(two[1]);
  }
  std::uint32_t take32() {
    const std::uint32_t high = take16();
    return high << 16 | take16();
  }
  std::string_view take(std::size_t n) {
    if (!ok_ || n > packet_.size() - at_) {
      ok_ = false;
      return {};
    }
    at_ += n;
    return packet_.substr(at_ - n, n);
  }
  std::string take_name() {
    std::string name;
    if (!ok_) return name;
    std::size_t end = 0;  // where the name ends in the packet; 0: no pointer met yet
    std::size_t length = 1;
    std::size_t here = at_;
    std::size_t lowest = at_;  // a pointer must go before this, so that there can be no loop
    for (;;) {
      if (here >= packet_.size()) return fail();
      const unsigned n = static_cast<unsigned char>(packet_[here]);
      if (n >= 0xc0) {
        if (here + 1 >= packet_.size()) return fail();
        if (end == 0) end = here + 2;
        here = (n & 0x3fU) << 8 | static_cast<unsigned char>(packet_[here + 1]);
        if (here >= lowest) return fail();
        lowest = here;
        continue;
      }
      if (n > max_label) return fail();
      ++here;
      if (n == 0) break;
      length += n + 1;
      if (length > max_name || n > packet_.size() - here) return fail();
      if (!name.empty()) name.push_back('.');
      for (const char c : packet_.substr(here, n)) put_label_byte(name, c);
      here += n;
    }
    at_ = end == 0 ? here : end;
    if (name.empty()) name = ".";
    return name;
  }

 private:
  std::string fail() {
    ok_ = false;
    return {};
  }

  std::string_view packet_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// Joins the character-strings of a TXT record; false when they do not fill the data exactly.
bool join_strings(std::string_view data, std::string& text) {
  while (!data.empty()) {
    const std::size_t n = static_cast<unsigned char>(data[0]);
    if (n + 1 > data.size()) return false;
    text.append(data.substr(1, n));
    data.remove_prefix(n + 1);
  }
  return true;
}

bool fits(const DnsRecord& record) {
  if (record.type == dns_type::a) return record.data.size() == 4;
  if (record.type == dns_type::aaaa) return record.data.size() == 16;
  return true;
}

struct RawRecord {
  DnsRecord record;
  unsigned record_class = 0;
};

std::optional<RawRecord> take_record(Walker& walker) {
  RawRecord raw;
  DnsRecord& record = raw.record;
  record.owner = walker.take_name();
  record.type = static_cast<std::uint16_t>(walker.take16());
  raw.record_class = walker.take16();
  record.ttl = walker.take32();
  const unsigned size = walker.take16();
  Walker inside = walker;  // compressed names need the whole packet
  record.data = walker.take(size);
  if (!walker.ok()) return std::nullopt;
  if (raw.record_class != class_in) return raw;
  if (record.type == dns_type::mx) record.preference = static_cast<std::uint16_t>(inside.take16());
  if (record.type == dns_type::mx || record.type == dns_type::cname || record.type == dns_type::ptr ||
      record.type == dns_type::ns) {
    record.target = inside.take_name();
    if (!inside.ok() || inside.at() != walker.at()) return std::nullopt;
  }
  if (record.type == dns_type::txt && !join_strings(record.data, record.text)) return std::nullopt;
  if (!fits(record)) return std::nullopt;
  return raw;
}

}  // namespace

std::optional<std::string> encode_dns_name(std::string_view name) {
  if (name == ".") return std::string(1, '\0');
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty()) return std::nullopt;
  std::string wire;
  wire.reserve(name.size() + 2);
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > max_label) return std::nullopt;
    for (const char c : label)
      if (c <= 32 || c >= 127 || c == '\\') return std::nullopt;
    wire.push_back(static_cast<char>(label.size()));
    wire.append(label);
    if (dot == name.npos) break;
    name.remove_prefix(dot + 1);
  }
  wire.push_back('\0');
  if (wire.size() > max_name) return std::nullopt;
  return wire;
}

std::optional<std::string> make_dns_query(std::uint16_t id, std::string_view name, std::uint16_t type,
                                          DnsEdns edns) {
  const std::optional<std::string> wire = encode_dns_name(name);
  if (!wire) return std::nullopt;
  std::string query;
  put16(query, id);
  put16(query, 0x0120);  // recursion desired; AD: tell us whether you validated (RFC 6840 section 5.7)
  put16(query, 1);
  put16(query, 0);
  put16(query, 0);
  put16(query, edns == DnsEdns::none ? 0 : 1);
  query += *wire;
  put16(query, type);
  put16(query, class_in);
  if (edns != DnsEdns::none) {
    query.push_back('\0');
    put16(query, dns_type::opt);
    put16(query, dns_udp_size);
    put16(query, 0);
    put16(query, edns == DnsEdns::dnssec ? 0x8000 : 0);
    put16(query, 0);
  }
  return query;
}

std::optional<DnsMessage> parse_dns_message(std::string_view packet) {
  Walker walker(packet);
  DnsMessage message;
  message.id = static_cast<std::uint16_t>(walker.take16());
  const unsigned flags = walker.take16();
  const unsigned questions = walker.take16();
  const unsigned answers = walker.take16();
  const unsigned authorities = walker.take16();
  const unsigned additional = walker.take16();
  if (!walker.ok() || questions != 1 || (flags >> 11 & 15U) != 0) return std::nullopt;
  message.response = (flags & 0x8000U) != 0;
  message.authoritative = (flags & 0x0400U) != 0;
  message.truncated = (flags & 0x0200U) != 0;
  message.recursion_available = (flags & 0x0080U) != 0;
  message.authentic = (flags & 0x0020U) != 0;
  message.rcode = flags & 15U;
  message.question = walker.take_name();
  message.question_type = static_cast<std::uint16_t>(walker.take16());
  if (walker.take16() != class_in || !walker.ok()) return std::nullopt;
  if (message.truncated) return message;

  for (unsigned i = 0; i < answers + authorities + additional; ++i) {
    std::optional<RawRecord> raw = take_record(walker);
    if (!raw) return std::nullopt;
    if (raw->record.type == dns_type::opt && i >= answers + authorities) {
      message.edns = true;
      message.rcode |= (raw->record.ttl >> 24) << 4;
    }
    if (raw->record_class != class_in) continue;
    if (i < answers)
      message.answers.push_back(std::move(raw->record));
    else if (i < answers + authorities && raw->record.type == dns_type::soa)
      message.has_soa = true;
  }
  return message;
}

std::string dns_reverse_name(const IpAddress& address) {
  static const char hex[] = "0123456789abcdef";
  std::string name;
  if (address.is_v4()) {
    for (int i = 3; i >= 0; --i) name += std::to_string(address.v4_bytes()[i]) + ".";
    return name + "in-addr.arpa";
  }
  for (std::size_t i = 16; i-- > 0;) {
    const unsigned byte = address.bytes()[i];
    name.push_back(hex[byte & 15U]);
    name.push_back('.');
    name.push_back(hex[byte >> 4]);
    name.push_back('.');
  }
  return name + "ip6.arpa";
}

}  // namespace hato

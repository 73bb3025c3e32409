#include "lib/net/certificate.h"

#include <algorithm>
#include <cstdint>

#include "lib/mail/domain.h"

namespace hato {

namespace {

enum Tag : std::uint8_t {
  tag_integer = 0x02,
  tag_bit_string = 0x03,
  tag_octet_string = 0x04,
  tag_oid = 0x06,
  tag_sequence = 0x30,
  tag_version = 0xa0,     // [0] of TBSCertificate
  tag_extensions = 0xa3,  // [3]
  tag_dns_name = 0x82,    // [2] of GeneralName
  tag_ip_address = 0x87,  // [7]
};

constexpr std::string_view subject_alt_name = "\x55\x1d\x11";  // id-ce 17

struct Element {
  std::uint8_t tag = 0;
  std::string_view whole;
  std::string_view content;
};

// Takes DER elements (X.690 section 8.1) from the front; definite lengths of up to 4 bytes, tags of one byte.
class Elements {
 public:
  explicit Elements(std::string_view der) : rest_(der) {}

  bool empty() const { return rest_.empty(); }

  std::optional<Element> next() {
    if (rest_.size() < 2) return std::nullopt;
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(rest_[i]); };
    std::size_t head = 2;
    std::size_t length = byte(1);
    if (length >= 0x80) {
      const std::size_t count = length - 0x80;
      if (count == 0 || count > 4 || rest_.size() < 2 + count) return std::nullopt;
      length = 0;
      for (std::size_t i = 0; i < count; ++i) length = length << 8 | byte(2 + i);
      head += count;
    }
    if (rest_.size() - head < length) return std::nullopt;
    Element element{byte(0), rest_.substr(0, head + length), rest_.substr(head, length)};
    rest_.remove_prefix(head + length);
    return element;
  }
  std::optional<Element> next(std::uint8_t tag) {
    std::optional<Element> element = next();
    if (element && element->tag != tag) element.reset();
    return element;
  }
  bool at(std::uint8_t tag) const { return !rest_.empty() && static_cast<std::uint8_t>(rest_[0]) == tag; }

 private:
  std::string_view rest_;
};

// GeneralNames of RFC 5280 section 4.2.1.6.
bool take_names(std::string_view der, Certificate& certificate) {
  const std::optional<Element> list = Elements(der).next(tag_sequence);
  if (!list) return false;
  Elements names(list->content);
  for (std::size_t count = 0; !names.empty() && count < max_certificate_names; ++count) {
    const std::optional<Element> name = names.next();
    if (!name) return false;
    if (name->tag == tag_dns_name) certificate.dns_names.push_back(name->content);
    if (name->tag == tag_ip_address && name->content.size() == 4)
      certificate.addresses.push_back(IpAddress::v4(name->content.data()));
    if (name->tag == tag_ip_address && name->content.size() == 16)
      certificate.addresses.push_back(IpAddress::v6(name->content.data()));
  }
  return true;
}

bool take_extensions(std::string_view der, Certificate& certificate) {
  const std::optional<Element> list = Elements(der).next(tag_sequence);
  if (!list) return false;
  for (Elements extensions(list->content); !extensions.empty();) {
    const std::optional<Element> extension = extensions.next(tag_sequence);
    if (!extension) return false;
    Elements parts(extension->content);
    const std::optional<Element> id = parts.next(tag_oid);
    std::optional<Element> value = parts.next();
    if (!id || !value) return false;
    if (value->tag != tag_octet_string) value = parts.next(tag_octet_string);  // the critical flag was first
    if (!value) return false;
    if (id->content == subject_alt_name && !take_names(value->content, certificate)) return false;
  }
  return true;
}

}  // namespace

std::optional<Certificate> Certificate::parse(std::string_view der) {
  Certificate certificate;
  const std::optional<Element> outer = Elements(der).next(tag_sequence);
  if (!outer || outer->whole.size() != der.size()) return std::nullopt;
  const std::optional<Element> signed_part = Elements(outer->content).next(tag_sequence);
  if (!signed_part) return std::nullopt;
  Elements fields(signed_part->content);
  if (fields.at(tag_version) && !fields.next()) return std::nullopt;
  if (!fields.next(tag_integer) || !fields.next(tag_sequence)) return std::nullopt;  // number, algorithm
  const std::optional<Element> issuer = fields.next(tag_sequence);
  if (!issuer || !fields.next(tag_sequence)) return std::nullopt;  // validity
  const std::optional<Element> subject = fields.next(tag_sequence);
  const std::optional<Element> key = fields.next(tag_sequence);
  if (!subject || !key) return std::nullopt;
  certificate.issuer = issuer->whole;
  certificate.subject = subject->whole;
  certificate.public_key = key->whole;
  while (!fields.empty()) {
    const std::optional<Element> field = fields.next();
    if (!field) return std::nullopt;
    if (field->tag == tag_extensions && !take_extensions(field->content, certificate)) return std::nullopt;
  }
  return certificate;
}

bool matches_host(std::string_view dns_name, std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (dns_name.ends_with('.')) dns_name.remove_suffix(1);
  if (host.empty() || dns_name.empty()) return false;
  if (!dns_name.starts_with("*.")) return equal_ignoring_case(dns_name, host);
  const std::string_view behind = dns_name.substr(1);  // ".example.org"
  const std::size_t dot = host.find('.');
  if (dot == host.npos || dot == 0 || behind.find('.', 1) == behind.npos) return false;
  return equal_ignoring_case(host.substr(dot), behind);
}

bool is_for_host(const Certificate& certificate, std::string_view host) {
  if (const std::optional<IpAddress> address = IpAddress::parse(host))
    return std::find(certificate.addresses.begin(), certificate.addresses.end(), *address) !=
           certificate.addresses.end();
  return std::any_of(certificate.dns_names.begin(), certificate.dns_names.end(),
                     [&](std::string_view name) { return matches_host(name, host); });
}

}  // namespace hato

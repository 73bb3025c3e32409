#include "lib/mail/domain_line.h"

#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

struct Line {
  std::string_view domain;
  std::string_view text;
};

// A domain in brackets (user@[IPv6:2001:db8::1]) has colons of its own.
std::optional<Line> split_line(std::string_view line) {
  const std::size_t bracket = line.starts_with('[') ? line.find(']') : line.npos;
  const std::size_t colon = line.find(':', bracket == line.npos ? 0 : bracket);
  if (colon == line.npos) return std::nullopt;
  return Line{line.substr(0, colon), line.substr(colon + 1)};
}

// host is canonical.
bool fits(std::string_view domain, std::string_view host) {
  if (domain.empty()) return true;
  const bool below = domain[0] == '.';
  if (below) domain.remove_prefix(1);
  std::string canonical;
  if (!is_ascii(domain)) {
    canonical = canonical_domain(domain);
    domain = canonical;
  }
  if (!below) return equal_ignoring_case(domain, host);
  if (host.size() <= domain.size()) return false;
  const std::size_t start = host.size() - domain.size();
  return host[start - 1] == '.' && equal_ignoring_case(host.substr(start), domain);
}

}  // namespace

std::optional<std::string_view> find_domain_line(const std::vector<std::string>& lines,
                                                 std::string_view domain) {
  const std::string wanted = canonical_domain(domain);
  std::optional<Line> best;
  for (const std::string& text : lines) {
    const std::optional<Line> line = split_line(text);
    if (!line || !fits(line->domain, wanted)) continue;
    if (!best || line->domain.size() >= best->domain.size()) best = line;
  }
  if (!best) return std::nullopt;
  return best->text;
}

}  // namespace hato

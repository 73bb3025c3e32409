#include "lib/net/server_identity.h"

#include <algorithm>
#include <optional>

#include "lib/mail/domain.h"
#include "lib/net/certificate.h"

namespace hato {

namespace {

constexpr std::size_t max_names_told = 3;
constexpr std::size_t max_name_told = 100;

// What a certificate says, in a sentence for a log: printable ASCII.
std::string told(std::string_view name) {
  std::string text(name.substr(0, max_name_told));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c <= 32 || c >= 127; }, '?');
  return text;
}

std::string told_names(const Certificate& certificate) {
  std::string text;
  for (std::size_t i = 0; i < certificate.dns_names.size() && i < max_names_told; ++i)
    text += (i > 0 ? ", " : "") + told(certificate.dns_names[i]);
  if (certificate.dns_names.size() > max_names_told) text += ", ...";
  return text.empty() ? "no host" : text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " or ") + told(name);
  return text;
}

// As a certificate writes it: A-labels; an address without brackets.
std::string plain(std::string_view name) {
  if (const auto literal = IpAddress::parse_literal(name)) return literal->text();
  return canonical_domain(name);
}

bool is_below(std::string_view host, std::string_view domain) {
  return host.size() > domain.size() + 1 && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.' && !IpAddress::parse(host);
}

ServerVerdict not_verified(const std::string& why) {
  return {false, "not verified: " + why};
}

// A certificate of an authority that is trusted: is it for one of the names? how: behind the word "verified".
ServerVerdict judge_names(const CertificateDer& der, const std::vector<std::string>& names,
                          const std::string& how) {
  const std::optional<Certificate> certificate = Certificate::parse(der);
  if (!certificate) return not_verified("it cannot be read");
  for (const std::string& name : names)
    if (is_for_host(*certificate, name)) return {true, "verified " + how + "for " + told(name)};
  return not_verified("it is for " + told_names(*certificate) + ", not for " +
                      (names.empty() ? "a host that was asked for" : joined(names)));
}

}  // namespace

ServerVerdict judge_server(const CertificateChain& chain, const TrustStore& trust,
                           const std::vector<std::string>& names, std::int64_t now) {
  if (!trust.present()) return not_verified("I have no certificates of authorities");
  const std::string problem = chain_problem(chain, trust.issuers_of(chain), now);
  if (!problem.empty()) return not_verified(problem);
  return judge_names(chain[0], names, "");
}

ServerVerdict judge_server_by_tlsa(const CertificateChain& chain, const std::vector<TlsaRecord>& records,
                                   const std::vector<std::string>& names, std::int64_t now) {
  if (chain.empty()) return not_verified("there is none");
  const auto by = [](const TlsaRecord& record) { return "by a TLSA record (" + record.type_text() + ") "; };
  std::vector<CertificateDer> anchors;
  std::string how;
  for (const TlsaRecord& record : records) {
    if (record.usage == TlsaRecord::dane_ee) {
      if (record.matches(chain[0])) return {true, "verified " + by(record) + "for " + told(names.at(0))};
      continue;
    }
    const std::size_t before = anchors.size();
    for (std::size_t i = 1; i < chain.size(); ++i)
      if (record.matches(chain[i])) anchors.push_back(chain[i]);
    // A whole certificate need not be shown by the server, too (RFC 7671 section 5.2.2).
    if (record.selector == TlsaRecord::certificate && record.matching == TlsaRecord::full &&
        anchors.size() == before)
      anchors.push_back(record.data);
    if (how.empty() && anchors.size() > before) how = by(record);
  }
  if (anchors.empty()) return not_verified("no TLSA record of " + told(names.at(0)) + " fits it");
  const std::string problem = chain_problem(chain, anchors, now);
  return problem.empty() ? judge_names(chain[0], names, how) : not_verified(problem);
}

std::vector<std::string> names_to_ask_for(const std::vector<std::string>& wanted, std::string_view domain,
                                          std::string_view host) {
  const std::string host_name = plain(host);
  std::vector<std::string> names;
  for (const std::string& name : wanted) {
    if (!name.starts_with('.'))
      names.push_back(plain(name));
    else if (is_below(host_name, canonical_domain(name.substr(1))))
      names.push_back(host_name);
  }
  if (!wanted.empty()) return names;
  names.push_back(plain(domain));
  if (is_below(host_name, names[0])) names.insert(names.begin(), host_name);
  return names;
}

}  // namespace hato

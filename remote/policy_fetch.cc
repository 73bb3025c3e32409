#include "remote/policy_fetch.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/net/certificate.h"
#include "lib/net/certificate_chain.h"
#include "lib/net/http_response.h"
#include "lib/net/mta_sts.h"
#include "lib/net/tcp.h"
#include "lib/net/tls_client.h"
#include "remote/sts_question.h"

namespace hato {

namespace {

using What = PolicyFinding::What;

constexpr std::pair<What, std::string_view> names[] = {{What::absent, "absent"},
                                                       {What::unchanged, "unchanged"},
                                                       {What::fetched, "fetched"},
                                                       {What::failed, "failed"}};

// For each line of a packet.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string one_line(std::string text) {
  constexpr std::size_t longest = 300;
  text.resize(std::min(text.size(), longest));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 32 || c >= 127; }, '?');
  return text;
}

class PolicyError : public TempError {
 public:
  using TempError::TempError;
};

void demand_identity(const TlsClient& tls, const TrustStore& trust, const std::string& host) {
  const CertificateChain& chain = tls.chain();
  const std::string problem = chain_problem(chain, trust.issuers_of(chain), now_seconds());
  if (!problem.empty()) throw PolicyError("the certificate of " + host + " will not do: " + problem);
  const std::optional<Certificate> certificate = Certificate::parse(chain[0]);
  if (!certificate || !is_for_host(*certificate, host))
    throw PolicyError("the certificate of " + host + " is for another host");
}

std::string get(const std::string& host, const std::string& path, int fd, const TrustStore& trust,
                Deadline deadline) {
  TlsClientSettings settings;
  settings.server_name = host;
  TlsClient tls(fd, settings);
  tls.handshake(deadline);
  demand_identity(tls, trust, host);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host +
                              "\r\nUser-Agent: hato\r\nAccept: text/plain\r\nConnection: close\r\n\r\n";
  for (std::string_view rest = request; !rest.empty();) rest.remove_prefix(tls.write(rest, deadline));
  tls.flush(deadline);
  HttpResponse response(max_sts_policy);
  while (response.state() == HttpResponse::State::more) {
    char space[4096];
    const std::size_t n = tls.read(space, sizeof space, deadline);
    if (n == 0) throw PolicyError("the answer of " + host + " breaks off");
    response.feed({space, n});
  }
  tls.close();
  if (response.state() == HttpResponse::State::failed)
    throw PolicyError("the answer of " + host + " cannot be used: " + response.problem());
  constexpr int ok = 200;
  if (response.status() != ok)
    throw PolicyError(host + " answers with status " + std::to_string(response.status()));
  const std::string_view type = response.content_type();
  const std::string_view essence = type.substr(0, type.find_first_of("; \t"));
  if (!equal_ignoring_case(essence, "text/plain"))
    throw PolicyError("the answer of " + host + " is not text/plain");
  return response.body();
}

// From the first address that can be connected to.
std::string get_policy(const std::string& domain, const Resolver& resolver, const TrustStore& trust,
                       Deadline deadline) {
  const std::string host = "mta-sts." + domain;
  const DnsAnswer<IpAddress> addresses = resolver.addresses(host);
  if (!addresses.found())
    throw PolicyError(addresses.status == DnsStatus::temporary
                          ? "the address of " + host + " could not be looked up: " + addresses.problem
                          : host + " has no address");
  int error = 0;
  for (std::size_t i = 0; i < addresses.records.size() && i < max_https_addresses; ++i) {
    const TcpConnection connection = connect_tcp(
        addresses.records[i], https_port, earlier(deadline, Deadline::in_seconds(https_connect_seconds)));
    if (connection.fd) return get(host, "/.well-known/mta-sts.txt", connection.fd.get(), trust, deadline);
    error = connection.error;
  }
  throw PolicyError("cannot connect to " + host + ": " + errno_text(error));
}

}  // namespace

std::string PolicyQuestion::packet() const {
  return domain + '\n' + known_id + '\n' + (again ? "again\n" : "\n");
}

std::optional<PolicyQuestion> PolicyQuestion::parse(std::string_view packet) {
  PolicyQuestion question;
  question.domain = take_line(packet);
  question.known_id = take_line(packet);
  question.again = take_line(packet) == "again";
  if (!packet.empty() || !is_sts_domain(question.domain)) return std::nullopt;
  return question;
}

std::string PolicyFinding::packet() const {
  const auto name =
      std::find_if(std::begin(names), std::end(names), [&](const auto& n) { return n.first == what; });
  return std::string(name->second) + '\n' + id + '\n' + one_line(problem) + '\n' +
         std::to_string(text.size()) + '\n' + text;
}

std::optional<PolicyFinding> PolicyFinding::parse(std::string_view packet) {
  PolicyFinding finding;
  const std::string_view word = take_line(packet);
  const auto name =
      std::find_if(std::begin(names), std::end(names), [&](const auto& n) { return n.second == word; });
  if (name == std::end(names)) return std::nullopt;
  finding.what = name->first;
  finding.id = take_line(packet);
  finding.problem = one_line(std::string(take_line(packet)));
  const std::string_view size = take_line(packet);
  if (size != std::to_string(packet.size())) return std::nullopt;
  finding.text = packet;
  if (finding.what != What::fetched) return finding;
  const bool sound_id = sts_policy_id({"v=STSv1;id=" + finding.id}) == finding.id;
  if (!sound_id || !parse_sts_policy(finding.text)) return std::nullopt;
  return finding;
}

PolicyFinding fetch_policy(const PolicyQuestion& question, const Resolver& resolver, const TrustStore& trust,
                           Deadline deadline) {
  PolicyFinding finding;
  try {
    const DnsAnswer<std::string> records = resolver.txt("_mta-sts." + question.domain);
    if (records.status == DnsStatus::temporary)
      throw PolicyError("the record could not be looked up: " + records.problem);
    const std::optional<std::string> id = sts_policy_id(records.records);
    if (!id) {
      finding.what = What::absent;
      return finding;
    }
    finding.id = *id;
    if (*id == question.known_id && !question.again) {
      finding.what = What::unchanged;
      return finding;
    }
    finding.text = get_policy(question.domain, resolver, trust, deadline);
    if (!parse_sts_policy(finding.text)) throw PolicyError("what it publishes is no policy of RFC 8461");
    finding.what = What::fetched;
  } catch (const Error& e) {
    finding.what = What::failed;
    finding.text.clear();
    finding.problem = e.text();
  }
  return finding;
}

}  // namespace hato

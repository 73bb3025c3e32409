#include "lib/net/dns.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato {

namespace {

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t max_udp_answer = 4096;  // more than we offered, for servers that do not care
constexpr std::size_t max_resolv_conf = 64U << 10;
constexpr std::int64_t max_timeout_seconds = 3600;
constexpr std::chrono::milliseconds tcp_wait{5000};  // for one exchange over TCP
// Packets on one socket that answer nothing we asked. A few are answers that come late; more are somebody
// who guesses ids, and he cannot do that over TCP.
constexpr unsigned max_stray_answers = 20;
// What every validating server calls authentic, and what none does (dns.h, Resolver).
constexpr const char* root_name = ".";
constexpr const char* unsigned_name = "10.in-addr.arpa";

std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof id, 0) != sizeof id) throw_errno("getrandom");
  return id;
}

bool same_name(std::string_view ours, std::string_view theirs) {
  if (ours.size() > 1 && ours.back() == '.') ours.remove_suffix(1);
  return ours.size() == theirs.size() && strncasecmp(ours.data(), theirs.data(), ours.size()) == 0;
}

// One question on its way, and what became of it.
struct Query {
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t id = 0;
  DnsEdns edns = DnsEdns::plain;
  bool answered = false;
  bool passed_over = false;  // this try's server gave nothing usable: no need to wait for it
  bool over_tcp = false;     // the answer over UDP was cut off
  std::size_t refusals = 0;  // servers that said no in words
  Endpoint server;           // whose answer it is
  DnsMessage answer;
  std::string problem = "no answer from any DNS server";

  bool open() const { return !answered && !passed_over && !over_tcp; }
  bool is_answered_by(const DnsMessage& message) const {
    return message.response && message.id == id && message.question_type == type &&
           same_name(name, message.question);
  }
  void pass_over(std::string why) {
    passed_over = true;
    ++refusals;
    problem = std::move(why);
  }
};

std::string rcode_text(unsigned rcode) {
  switch (rcode) {
    case dns_rcode::format_error:
      return "FORMERR";
    case dns_rcode::server_failure:
      return "SERVFAIL";
    case dns_rcode::not_implemented:
      return "NOTIMP";
    case dns_rcode::refused:
      return "REFUSED";
    default:
      return "error " + std::to_string(rcode);
  }
}

// Takes an answer that is really one of ours. from_tcp: it is as long as it wants to be.
void take_answer(Query& query, DnsMessage message, const Endpoint& server, bool from_tcp) {
  if (message.truncated && !from_tcp) {
    query.over_tcp = true;
    return;
  }
  const bool edns_trouble =
      message.rcode == dns_rcode::format_error || message.rcode == dns_rcode::not_implemented;
  if (edns_trouble && query.edns != DnsEdns::none && !message.edns) {
    query.edns = DnsEdns::none;  // an old server: the next try goes without
    query.passed_over = true;
    return;
  }
  const std::string who = server.address.with_port(server.port);
  if (message.truncated || (message.rcode != dns_rcode::no_error && message.rcode != dns_rcode::no_name)) {
    query.pass_over("DNS server " + who + " answered " + rcode_text(message.rcode));
    return;
  }
  // An empty answer of a server that does not know and did not ask is no proof of absence.
  if (message.rcode == dns_rcode::no_error && message.answers.empty() && !message.authoritative &&
      !message.recursion_available && !message.has_soa) {
    query.pass_over("DNS server " + who + " does not answer for this name");
    return;
  }
  query.answered = true;
  query.server = server;
  query.answer = std::move(message);
}

void send_all(int fd, std::vector<Query>& queries) {
  for (Query& query : queries) {
    if (query.answered) continue;
    query.id = random_id();
    const std::string packet = *make_dns_query(query.id, query.name, query.type, query.edns);
    // A failure shows as silence, or as an error of the next receive.
    if (send(fd, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) continue;
  }
}

bool any_open(const std::vector<Query>& queries) {
  return std::any_of(queries.begin(), queries.end(), [](const Query& q) { return q.open(); });
}

void ask_over_udp(const Endpoint& server, std::vector<Query>& queries, Deadline deadline) {
  const SocketAddress address = socket_address(server.address, server.port);
  Fd fd(socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto unreachable = [&](int error) {
    for (Query& query : queries)
      if (query.open())
        query.pass_over("DNS server " + server.address.with_port(server.port) + ": " + errno_text(error));
  };
  // An address family that this host lacks is the server's fault; being out of descriptors is ours.
  if (!fd && errno != EAFNOSUPPORT) throw_errno("socket for DNS");
  if (!fd || connect(fd.get(), address.get(), address.length) != 0) return unreachable(errno);
  send_all(fd.get(), queries);

  char space[max_udp_answer];
  unsigned strays = 0;
  while (any_open(queries)) {
    if (strays > max_stray_answers) {
      for (Query& query : queries)
        if (query.open()) query.over_tcp = true;
      return;
    }
    if (!wait_readable(fd.get(), deadline)) return;
    const ssize_t n = recv(fd.get(), space, sizeof space, 0);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return unreachable(errno);
    }
    std::optional<DnsMessage> message = parse_dns_message({space, static_cast<std::size_t>(n)});
    const auto asked = std::find_if(queries.begin(), queries.end(), [&](const Query& query) {
      return message && query.open() && query.is_answered_by(*message);
    });
    if (asked == queries.end())
      ++strays;
    else
      take_answer(*asked, std::move(*message), server, false);
  }
}

bool write_fully(int fd, std::string_view data, Deadline deadline) {
  while (!data.empty()) {
    const ssize_t n = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n > 0)
      data.remove_prefix(static_cast<std::size_t>(n));
    else if ((errno != EAGAIN && errno != EINTR) || !wait_writable(fd, deadline))
      return false;
  }
  return true;
}

bool read_fully(int fd, std::string& data, std::size_t size, Deadline deadline) {
  data.resize(size);
  std::size_t have = 0;
  while (have < size) {
    if (!wait_readable(fd, deadline)) return false;
    const ssize_t n = recv(fd, data.data() + have, size - have, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  return true;
}

// RFC 7766: two bytes of length before each message.
void ask_over_tcp(const Endpoint& server, Query& query, Deadline deadline) {
  query.over_tcp = false;
  const std::string who = "DNS server " + server.address.with_port(server.port) + " over TCP: ";
  TcpConnection connection = connect_tcp(server.address, server.port, deadline);
  if (!connection.fd) return query.pass_over(who + errno_text(connection.error));
  const int fd = connection.fd.get();
  query.id = random_id();
  const std::string packet = *make_dns_query(query.id, query.name, query.type, query.edns);
  const char length[2] = {static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
  if (!write_fully(fd, std::string(length, 2) + packet, deadline))
    return query.pass_over(who + "write failed");
  std::string size, data;
  if (!read_fully(fd, size, 2, deadline)) return query.pass_over(who + "no answer");
  const std::size_t n = static_cast<std::size_t>(static_cast<unsigned char>(size[0])) << 8 |
                        static_cast<unsigned char>(size[1]);
  if (!read_fully(fd, data, n, deadline)) return query.pass_over(who + "answer cut off");
  std::optional<DnsMessage> message = parse_dns_message(data);
  if (!message || !query.is_answered_by(*message)) return query.pass_over(who + "answer to something else");
  take_answer(query, std::move(*message), server, true);
}

// Asks until every query is answered, every server refused it, or the time is over.
void ask(const ResolverConfig& config, std::vector<Query>& queries, Deadline deadline) {
  const std::size_t servers = config.servers.size();
  std::chrono::milliseconds wait = config.first_wait;
  for (std::size_t tries = 0; !deadline.passed(); ++tries) {
    if (tries > 0 && tries % servers == 0) wait *= 2;
    const Endpoint& server = config.servers[tries % servers];
    const auto has_edns = [](const Query& q) { return q.edns != DnsEdns::none; };
    const auto with_edns = std::count_if(queries.begin(), queries.end(), has_edns);
    for (Query& query : queries) query.passed_over = false;
    ask_over_udp(server, queries, earlier(Deadline::in(wait), deadline));
    for (Query& query : queries)
      if (query.over_tcp) ask_over_tcp(server, query, earlier(Deadline::in(tcp_wait), deadline));
    const bool done = std::all_of(queries.begin(), queries.end(), [&](const Query& q) {
      return q.answered || (q.passed_over && q.refusals >= servers);
    });
    if (std::count_if(queries.begin(), queries.end(), has_edns) != with_edns)
      tries -= 1;  // the same server again, without EDNS
    else if (done)
      return;
  }
}

// Follows the aliases inside one message, from `name` on. Moves name along; false when they loop or are too
// many.
bool follow_aliases(const DnsMessage& message, std::string& name, std::size_t& steps) {
  for (;;) {
    const auto alias =
        std::find_if(message.answers.begin(), message.answers.end(), [&](const DnsRecord& record) {
          return record.type == dns_type::cname && same_name(name, record.owner);
        });
    if (alias == message.answers.end()) return true;
    if (++steps > max_dns_aliases) return false;
    name = alias->target;
  }
}

struct Lookup {
  DnsStatus status = DnsStatus::temporary;
  std::vector<DnsRecord> records;
  std::string name;
  bool alias = false;
  bool alias_loop = false;
  bool authentic = false;  // as the server says
  std::string unproved;
  std::string problem;
};

// What an answered query means. follow_to: the alias at the end of an incomplete chain, to be asked for next.
Lookup judge(const Query& query, std::size_t& steps, std::string& follow_to) {
  Lookup lookup;
  lookup.name = query.name;
  if (!query.answered) {
    lookup.problem = query.problem;
    return lookup;
  }
  lookup.authentic = query.answer.authentic;
  if (query.type != dns_type::cname && !follow_aliases(query.answer, lookup.name, steps)) {
    lookup.alias_loop = true;
    lookup.problem =
        "the aliases (CNAME) of " + query.name + " loop or are more than " + std::to_string(max_dns_aliases);
    return lookup;
  }
  lookup.alias = !same_name(query.name, lookup.name);
  for (const DnsRecord& record : query.answer.answers)
    if (record.type == query.type && same_name(lookup.name, record.owner)) lookup.records.push_back(record);
  if (!lookup.records.empty() && query.answer.rcode == dns_rcode::no_name) {
    lookup.records.clear();
    lookup.problem = "the answer for " + query.name + " contradicts itself: no such name, and here it is";
    return lookup;
  }
  if (!lookup.records.empty())
    lookup.status = DnsStatus::found;
  else if (query.answer.rcode == dns_rcode::no_name)
    lookup.status = DnsStatus::no_name;
  else
    lookup.status = DnsStatus::no_data;
  // A server that did not follow its own alias to the end (an authoritative one, or one with half a cache).
  if (lookup.status == DnsStatus::no_data && lookup.alias) follow_to = lookup.name;
  return lookup;
}

using Validation = Resolver::Validation;

// Asks a server to prove that it validates; throws TempError when it does not answer.
Validation ask_to_validate(const ResolverConfig& config, const Endpoint& server, Deadline deadline) {
  const std::string who = "the DNS server " + server.address.with_port(server.port);
  const bool trusted = server.address.is_loopback() || std::find(config.trusted.begin(), config.trusted.end(),
                                                                 server) != config.trusted.end();
  if (!trusted) return {server, who + " is on another host and not named as trusted"};
  ResolverConfig only = config;
  only.servers = {server};
  std::vector<Query> queries(2);
  queries[0].name = root_name;
  queries[1].name = unsigned_name;
  for (Query& query : queries) query.type = dns_type::soa, query.edns = DnsEdns::dnssec;
  ask(only, queries, deadline);
  for (const Query& query : queries)
    if (!query.answered) throw TempError(who + " does not say whether it validates: " + query.problem);
  const auto& records = queries[0].answer.answers;
  const bool has_soa = std::any_of(records.begin(), records.end(), [](const DnsRecord& record) {
    return record.type == dns_type::soa && record.owner == root_name;
  });
  if (!has_soa || !queries[0].answer.authentic) return {server, who + " does not validate (DNSSEC)"};
  if (queries[1].answer.authentic) return {server, who + " calls authentic what nobody has signed"};
  return {server, ""};
}

// How far the server's word counts that the answer is authentic.
void weigh(const ResolverConfig& config, const Query& query, Deadline deadline,
           std::vector<Validation>& validations, Lookup& lookup) {
  const bool authentic = std::exchange(lookup.authentic, false);
  if (!config.dnssec || !query.answered) return;
  auto known = std::find_if(validations.begin(), validations.end(),
                            [&](const Validation& v) { return v.server == query.server; });
  try {
    if (known == validations.end())
      known = validations.insert(known, ask_to_validate(config, query.server, deadline));
  } catch (const TempError& e) {
    lookup.status = DnsStatus::temporary;
    lookup.records.clear();
    lookup.problem = e.text();
    return;
  }
  lookup.unproved = known->obstacle;
  lookup.authentic = authentic && lookup.unproved.empty();
}

// Looks up one name for several types at once; the results are in the order of the types.
std::vector<Lookup> look_up(const ResolverConfig& config, std::string_view name,
                            const std::vector<std::uint16_t>& types, std::vector<Validation>& validations) {
  std::vector<Lookup> lookups(types.size());
  if (!encode_dns_name(name)) {
    for (Lookup& lookup : lookups) lookup.status = DnsStatus::no_name, lookup.name = name;
    return lookups;
  }
  const Deadline deadline = Deadline::in(config.limit);
  std::vector<Query> queries(types.size());
  const DnsEdns edns = config.dnssec ? DnsEdns::dnssec : DnsEdns::plain;
  for (std::size_t i = 0; i < types.size(); ++i)
    queries[i].name = name, queries[i].type = types[i], queries[i].edns = edns;
  ask(config, queries, deadline);
  for (std::size_t i = 0; i < types.size(); ++i) {
    std::size_t steps = 0;
    std::string follow_to;
    lookups[i] = judge(queries[i], steps, follow_to);
    weigh(config, queries[i], deadline, validations, lookups[i]);
    while (!follow_to.empty() && lookups[i].status != DnsStatus::temporary) {
      if (!encode_dns_name(follow_to)) {
        lookups[i].status = DnsStatus::temporary;
        lookups[i].problem = "the alias (CNAME) of " + queries[i].name + " is no name that can be asked for";
        break;
      }
      std::vector<Query> next(1);
      next[0].name = std::exchange(follow_to, "");
      next[0].type = types[i];
      next[0].edns = edns;
      ask(config, next, deadline);
      const bool authentic = lookups[i].authentic;
      lookups[i] = judge(next[0], steps, follow_to);
      weigh(config, next[0], deadline, validations, lookups[i]);
      lookups[i].alias = true;
      lookups[i].authentic = lookups[i].authentic && authentic;
    }
  }
  return lookups;
}

template <typename T, typename Take>
DnsAnswer<T> answer_of(Lookup&& lookup, Take take) {
  DnsAnswer<T> answer;
  answer.status = lookup.status;
  answer.name = std::move(lookup.name);
  answer.alias = lookup.alias;
  answer.alias_loop = lookup.alias_loop;
  answer.authentic = lookup.authentic;
  answer.unproved = std::move(lookup.unproved);
  answer.problem = std::move(lookup.problem);
  for (DnsRecord& record : lookup.records) answer.records.push_back(take(record));
  return answer;
}

IpAddress address_of(const DnsRecord& record) {
  return record.type == dns_type::a ? IpAddress::v4(record.data.data()) : IpAddress::v6(record.data.data());
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

std::optional<ResolverLine> parse_resolver_line(std::string_view line) {
  constexpr std::string_view word = "trusted";
  line = trim(line);
  const std::size_t blank = line.find_first_of(" \t");
  if (blank != line.npos && trim(line.substr(blank)) != word) return std::nullopt;
  const std::optional<Endpoint> server = parse_endpoint(line.substr(0, blank), dns_port);
  if (!server) return std::nullopt;
  return ResolverLine{*server, blank != line.npos};
}

std::vector<Endpoint> parse_resolv_conf(std::string_view text) {
  constexpr std::string_view keyword = "nameserver";
  std::vector<Endpoint> servers;
  while (!text.empty() && servers.size() < max_dns_servers) {
    const std::size_t lf = text.find('\n');
    std::string_view line = trim(text.substr(0, lf));
    text.remove_prefix(lf == text.npos ? text.size() : lf + 1);
    if (!line.starts_with(keyword)) continue;
    line.remove_prefix(keyword.size());
    if (line.empty() || (line[0] != ' ' && line[0] != '\t')) continue;
    line = trim(line);
    if (const auto address = IpAddress::parse(line.substr(0, line.find_first_of(" \t"))))
      servers.push_back({*address, dns_port});
  }
  return servers;
}

ResolverConfig ResolverConfig::configured(const Control& control) {
  ResolverConfig config;
  if (const auto lines = control.lines("resolver")) {
    for (const std::string& line : *lines) {
      const std::optional<ResolverLine> parsed = parse_resolver_line(line);
      if (!parsed)
        throw TempError(
            control.path("resolver") + ": \"" + line +
            "\" is not an address, address:port or [address]:port, perhaps with the word trusted");
      if (config.servers.size() == max_dns_servers) continue;
      config.servers.push_back(parsed->server);
      if (parsed->trusted) config.trusted.push_back(parsed->server);
    }
  }
  if (config.servers.empty()) {
    const std::optional<std::string> text = read_file("/etc/resolv.conf", max_resolv_conf);
    if (text) config.servers = parse_resolv_conf(*text);
  }
  if (config.servers.empty()) config.servers.push_back({*IpAddress::parse("127.0.0.1"), dns_port});
  const std::int64_t seconds = control.number("timeoutdns", 30);
  config.limit = std::chrono::seconds(std::clamp<std::int64_t>(seconds, 1, max_timeout_seconds));
  return config;
}

DnsAnswer<MxRecord> Resolver::mx(std::string_view name) const {
  return answer_of<MxRecord>(std::move(look_up(config_, name, {dns_type::mx}, validations_)[0]),
                             [](DnsRecord& record) {
                               return MxRecord{record.preference, std::move(record.target)};
                             });
}

DnsAnswer<IpAddress> Resolver::a(std::string_view name) const {
  return answer_of<IpAddress>(std::move(look_up(config_, name, {dns_type::a}, validations_)[0]), address_of);
}

DnsAnswer<IpAddress> Resolver::aaaa(std::string_view name) const {
  return answer_of<IpAddress>(std::move(look_up(config_, name, {dns_type::aaaa}, validations_)[0]),
                              address_of);
}

DnsAnswer<IpAddress> Resolver::addresses(std::string_view name) const {
  std::vector<Lookup> both = look_up(config_, name, {dns_type::aaaa, dns_type::a}, validations_);
  DnsAnswer<IpAddress> v6 = answer_of<IpAddress>(std::move(both[0]), address_of);
  DnsAnswer<IpAddress> v4 = answer_of<IpAddress>(std::move(both[1]), address_of);
  if (!v6.found()) {
    if (v4.found() || v4.status == DnsStatus::temporary) return v4;
    return v6.status == DnsStatus::temporary ? v6 : v4;
  }
  v6.authentic = v6.authentic && (v4.authentic || !v4.found());
  if (v6.unproved.empty()) v6.unproved = std::move(v4.unproved);
  v6.records.insert(v6.records.end(), v4.records.begin(), v4.records.end());
  return v6;
}

DnsAnswer<std::string> Resolver::ptr(const IpAddress& address) const {
  return answer_of<std::string>(
      std::move(look_up(config_, dns_reverse_name(address), {dns_type::ptr}, validations_)[0]),
      [](DnsRecord& record) { return std::move(record.target); });
}

DnsAnswer<std::string> Resolver::txt(std::string_view name) const {
  return answer_of<std::string>(std::move(look_up(config_, name, {dns_type::txt}, validations_)[0]),
                                [](DnsRecord& record) { return std::move(record.text); });
}

DnsAnswer<std::string> Resolver::cname(std::string_view name) const {
  return answer_of<std::string>(std::move(look_up(config_, name, {dns_type::cname}, validations_)[0]),
                                [](DnsRecord& record) { return std::move(record.target); });
}

DnsAnswer<std::string> Resolver::raw(std::string_view name, std::uint16_t type) const {
  return answer_of<std::string>(std::move(look_up(config_, name, {type}, validations_)[0]),
                                [](DnsRecord& record) { return std::move(record.data); });
}

}  // namespace hato

#include "tests/program/dns_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/net/tcp.h"

namespace hato::test {

namespace {

std::string u16(unsigned n) {
  return {static_cast<char>(n >> 8), static_cast<char>(n)};
}

std::string record_of(const std::string& name, unsigned type, const std::string& data) {
  return *encode_dns_name(name) + u16(type) + u16(1) + u16(0) + u16(60) +
         u16(static_cast<unsigned>(data.size())) + data;
}

std::string type_name(unsigned type) {
  const std::map<unsigned, std::string> names = {{1, "A"},    {5, "CNAME"}, {12, "PTR"}, {15, "MX"},
                                                 {16, "TXT"}, {28, "AAAA"}, {6, "SOA"},  {52, "TLSA"}};
  const auto found = names.find(type);
  return found == names.end() ? std::to_string(type) : found->second;
}

Fd bound(int type, const Endpoint& at) {
  const SocketAddress address = socket_address(at.address, at.port);
  Fd fd(socket(address.storage.ss_family, type | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno("socket");
  if (bind(fd.get(), address.get(), address.length) != 0) return Fd();
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return endpoint_of(storage)->port;
}

}  // namespace

DnsServer::DnsServer(const std::string& address) {
  endpoint_.address = *IpAddress::parse(address);
  for (int tries = 0; tries < 50 && !tcp_; ++tries) {
    endpoint_.port = 0;
    udp_ = bound(SOCK_DGRAM, endpoint_);
    if (!udp_) throw_errno("bind " + address);
    endpoint_.port = port_of(udp_.get());
    tcp_ = bound(SOCK_STREAM, endpoint_);
  }
  if (!tcp_ || listen(tcp_.get(), 10) != 0) throw_errno("listen");
  thread_.start([this] { serve(); });
}

DnsServer::~DnsServer() {
  thread_.end();
}

void DnsServer::mx(const std::string& name, unsigned preference, const std::string& host) {
  records_[{name, dns_type::mx}].push_back(u16(preference) + *encode_dns_name(host));
  names_.insert(name);
}
void DnsServer::a(const std::string& name, const std::string& address) {
  const IpAddress ip = *IpAddress::parse(address);
  const char* bytes = reinterpret_cast<const char*>(ip.bytes().data());
  if (ip.is_v4())
    records_[{name, dns_type::a}].emplace_back(bytes + 12, 4);
  else
    records_[{name, dns_type::aaaa}].emplace_back(bytes, 16);
  names_.insert(name);
}
void DnsServer::cname(const std::string& name, const std::string& target) {
  aliases_[name] = target;
  names_.insert(name);
}
void DnsServer::txt(const std::string& name, const std::vector<std::string>& strings) {
  std::string data;
  for (const std::string& s : strings) data += static_cast<char>(s.size()) + s;
  records_[{name, dns_type::txt}].push_back(data);
  names_.insert(name);
}
void DnsServer::ptr(const std::string& name, const std::string& target) {
  records_[{name, dns_type::ptr}].push_back(*encode_dns_name(target));
  names_.insert(name);
}
void DnsServer::cname_bytes(const std::string& name, const std::string& label) {
  odd_aliases_[name] = static_cast<char>(label.size()) + label + std::string(1, '\0');
  names_.insert(name);
}
void DnsServer::exists(const std::string& name) {
  names_.insert(name);
}
void DnsServer::record(const std::string& name, unsigned type, const std::string& data) {
  records_[{name, type}].push_back(data);
  names_.insert(name);
}
void DnsServer::validates() {
  validates_ = true;
  record(".", dns_type::soa, std::string(22, '\0'));
  exists("10.in-addr.arpa");
  unsign("10.in-addr.arpa");
}
void DnsServer::trick(const std::string& name, Trick trick) {
  tricks_[name].insert(trick);
  names_.insert(name);
}

bool DnsServer::has(const std::string& name, Trick trick) const {
  const auto found = tricks_.find(name);
  return all_.count(trick) > 0 || (found != tricks_.end() && found->second.count(trick) > 0);
}

std::vector<std::string> DnsServer::queries() const {
  const std::lock_guard lock(mutex_);
  return queries_;
}

std::size_t DnsServer::count(const std::string& query) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count(queries_.begin(), queries_.end(), query));
}

// lie: an A record nobody should believe.
std::string DnsServer::answer(std::string_view query, bool tcp, bool lie) {
  const auto message = parse_dns_message(query);
  if (!message) return {};
  std::string name = message->question;
  const unsigned type = message->question_type;
  const std::string question = *encode_dns_name(name) + u16(type) + u16(1);
  const bool edns = query.size() > 12 + question.size();
  unsigned flags = 0x8180;  // response, recursion desired and available
  std::string answers;
  unsigned count = 0;
  const auto add = [&](const std::string& owner, unsigned t, const std::string& data) {
    answers += record_of(owner, t, data);
    ++count;
  };
  bool authentic = has(name, Trick::authentic) || (validates_ && unsigned_.count(name) == 0);
  if (has(name, Trick::servfail)) flags |= 2;
  if (has(name, Trick::refused)) flags |= 5;
  if (has(name, Trick::formerr_on_edns) && edns) flags |= 1;
  if (has(name, Trick::referral)) flags &= ~0x80U;
  const bool cut = has(name, Trick::truncated_always) ||
                   (!tcp && (has(name, Trick::truncated) || has(name, Trick::no_tcp)));
  if (cut) flags |= 0x200;
  if (lie) {
    add(name, type, type == dns_type::a ? std::string("\x0a\x06\x06\x06") : std::string(16, 6));
  } else if (!cut && (flags & 15U) == 0 && !has(name, Trick::referral)) {
    const bool first_only = has(name, Trick::one_alias_only);
    if (has(name, Trick::strangers)) {
      add("stranger.test", dns_type::a, "\x0a\x06\x06\x06");
      add("stranger.test", dns_type::mx, u16(1) + *encode_dns_name("liar.test"));
      add("stranger.test", dns_type::cname, *encode_dns_name("liar.test"));
    }
    if (has(name, Trick::contradiction)) flags |= 3;
    if (type != dns_type::cname && odd_aliases_.count(name) > 0)
      add(name, dns_type::cname, odd_aliases_[name]);
    for (unsigned steps = 0; type != dns_type::cname && aliases_.count(name) > 0 && steps < 30; ++steps) {
      add(name, dns_type::cname, *encode_dns_name(aliases_[name]));
      name = aliases_[name];
      if (unsigned_.count(name) > 0) authentic = false;
      if (first_only) break;
    }
    if (type == dns_type::cname && aliases_.count(name) > 0)
      add(name, type, *encode_dns_name(aliases_[name]));
    const auto found = records_.find({name, type});
    if (found != records_.end() && !(first_only && count > 0))
      for (const std::string& data : found->second) add(name, type, data);
    if (names_.count(name) == 0 && !(first_only && count > 0)) flags |= 3;
  }
  if (authentic) flags |= 0x20;
  return u16(message->id) + u16(flags) + u16(1) + u16(count) + u16(0) + u16(0) + question + answers;
}

void DnsServer::over_udp() {
  char space[2048];
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const ssize_t n = recvfrom(udp_.get(), space, sizeof space, 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (n <= 0) return;
  const std::string query(space, static_cast<std::size_t>(n));
  const auto message = parse_dns_message(query);
  if (!message) return;
  const std::string& name = message->question;
  {
    const std::lock_guard lock(mutex_);
    queries_.push_back(type_name(message->question_type) + " " + name);
  }
  const auto reply = [&](const std::string& packet) {
    sendto(udp_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
  };
  if (has(name, Trick::silent)) return;
  if (has(name, Trick::wrong_id)) {
    std::string lie = answer(query, false, true);
    lie[0] = static_cast<char>(lie[0] ^ 1);
    reply(lie);
  }
  if (has(name, Trick::wrong_question)) {
    std::string other = query;
    other[13] = static_cast<char>(other[13] ^ 1);
    reply(answer(other, false, true));
  }
  if (has(name, Trick::rubbish)) {
    reply("");
    reply("x");
    reply(query.substr(0, 2) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
  }
  if (has(name, Trick::flood)) {
    std::string lie = answer(query, false, true);
    lie[0] = static_cast<char>(lie[0] ^ 1);
    for (int i = 0; i < 200; ++i) reply(lie);
    return;
  }
  if (has(name, Trick::slow)) usleep(300 * 1000);
  reply(answer(query, false, false));
}

void DnsServer::over_tcp() {
  const Fd client(accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return;
  const timeval patience{5, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  unsigned char length[2];
  if (recv(client.get(), length, 2, MSG_WAITALL) != 2) return;
  std::string query(static_cast<std::size_t>(length[0] * 256 + length[1]), '\0');
  if (recv(client.get(), query.data(), query.size(), MSG_WAITALL) != static_cast<ssize_t>(query.size()))
    return;
  const auto message = parse_dns_message(query);
  if (!message) return;
  {
    const std::lock_guard lock(mutex_);
    queries_.push_back(type_name(message->question_type) + " " + message->question + "/tcp");
  }
  if (has(message->question, Trick::no_tcp)) return;
  const std::string packet = answer(query, true, false);
  const std::string framed = u16(static_cast<unsigned>(packet.size())) + packet;
  // in two pieces, as TCP may
  ::send(client.get(), framed.data(), 3, MSG_NOSIGNAL);
  usleep(10 * 1000);
  ::send(client.get(), framed.data() + 3, framed.size() - 3, MSG_NOSIGNAL);
}

void DnsServer::serve() {
  for (;;) {
    pollfd fds[3] = {{thread_.stopped(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) over_udp();
    if (fds[2].revents != 0) over_tcp();
  }
}

}  // namespace hato::test

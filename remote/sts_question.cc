#include "remote/sts_question.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/mail/domain.h"

namespace hato {

std::string sts_socket_path() {
  return std::string(conf::home) + "/mtasts/s";
}

bool is_sts_domain(std::string_view domain) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return domain.size() <= max_sts_question && domain.find('.') != domain.npos && domain[0] != '.' &&
         std::all_of(domain.begin(), domain.end(), fits) && to_ascii_domain(domain) == domain;
}

std::string sts_answer(const StsPolicy& policy) {
  std::string packet(sts_mode_name(policy.mode));
  packet += '\n';
  for (const std::string& pattern : policy.mx) packet += pattern + '\n';
  return packet;
}

std::optional<StsPolicy> parse_sts_answer(std::string_view packet) {
  StsPolicy policy;
  for (bool first = true; !packet.empty(); first = false) {
    const std::size_t end = packet.find('\n');
    if (end == packet.npos) return std::nullopt;
    const std::string_view line = packet.substr(0, end);
    packet.remove_prefix(end + 1);
    if (!first) {
      policy.mx.emplace_back(line);
    } else if (const std::optional<StsMode> mode = sts_mode(line)) {
      policy.mode = *mode;
      continue;
    } else {
      return std::nullopt;
    }
  }
  if (policy.mode != StsMode::none && policy.mx.empty()) return std::nullopt;
  return policy;
}

StsQuestion StsQuestion::connect(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return nobody();
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return nobody();
  return StsQuestion(std::move(socket));
}

StsPolicy StsQuestion::ask(std::string_view domain) const {
  constexpr std::int64_t margin = 5;  // for a daemon that has much to do
  if (!socket_ || !is_sts_domain(domain)) return {};
  try {
    if (!send_message(socket_.get(), domain)) return {};
    if (!wait_readable(socket_.get(), Deadline::in_seconds(sts_answer_seconds + margin))) return {};
    const std::optional<Message> answer = receive_message(socket_.get(), max_sts_answer);
    return answer ? parse_sts_answer(answer->data).value_or(StsPolicy()) : StsPolicy();
  } catch (const Error&) {
    return {};
  }
}

}  // namespace hato

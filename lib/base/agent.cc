#include "lib/base/agent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include "lib/base/byte_order.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato {

namespace {

constexpr char yes = '+', no = '-';

std::optional<bool> flag(char c) {
  if (c != yes && c != no) return std::nullopt;
  return c == yes;
}

bool belongs_to_one_delivery(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  for (const char* known : {env_trace, env_message_params, env_recipient_params, env_try_dead, env_account})
    if (name == known) return true;
  return false;
}

// Two numbers, one blank between them.
bool parse_limits(std::string_view text, std::size_t& messages, std::int64_t& seconds) {
  const char* const end = text.data() + text.size();
  const auto [blank, bad] = std::from_chars(text.data(), end, messages);
  if (bad != std::errc() || blank == end || *blank != ' ') return false;
  const auto [rest, wrong] = std::from_chars(blank + 1, end, seconds);
  return wrong == std::errc() && rest == end && messages > 0 && seconds > 0;
}

}  // namespace

std::optional<HostSays> host_says(char c) {
  for (const HostSays known : {HostSays::nothing, HostSays::answered, HostSays::trouble})
    if (c == static_cast<char>(known)) return known;
  return std::nullopt;
}

std::string encode_job(const AgentJob& job) {
  std::string packet(1, job.last ? no : yes);
  put_big<std::uint16_t>(packet, static_cast<std::uint16_t>(job.args.size()));
  for (const auto* list : {&job.args, &job.env})
    for (const std::string& text : *list) {
      if (text.find('\0') != std::string::npos) throw TempError("agent's job: a string holds a NUL");
      packet += text;
      packet += '\0';
    }
  if (packet.size() > agent_job_limit || job.args.size() > UINT16_MAX)
    throw TempError("agent's job: larger than " + std::to_string(agent_job_limit) + " bytes");
  return packet;
}

std::optional<AgentJob> decode_job(std::string_view packet) {
  constexpr std::size_t head = 3;
  if (packet.size() < head || packet.size() > agent_job_limit) return std::nullopt;
  const std::optional<bool> more = flag(packet[0]);
  if (!more) return std::nullopt;
  AgentJob job;
  job.last = !*more;
  const std::size_t count = get_big<std::uint16_t>(packet, 1);
  packet.remove_prefix(head);
  while (!packet.empty()) {
    const std::size_t end = packet.find('\0');
    if (end == packet.npos) return std::nullopt;
    (job.args.size() < count ? job.args : job.env).emplace_back(packet.substr(0, end));
    packet.remove_prefix(end + 1);
  }
  if (job.args.size() != count) return std::nullopt;
  for (const std::string& variable : job.env)
    if (const std::size_t equal = variable.find('='); equal == 0 || equal == variable.npos)
      return std::nullopt;
  return job;
}

std::string encode_agent_report(const AgentReport& report) {
  std::string packet{report.stays ? yes : no, static_cast<char>(report.host),
                     static_cast<char>(report.exit_code)};
  packet += std::string_view(report.output).substr(0, agent_output_limit);
  return packet;
}

std::optional<AgentReport> decode_agent_report(std::string_view packet) {
  if (packet.size() < 3 || packet.size() > agent_report_limit) return std::nullopt;
  const std::optional<bool> stays = flag(packet[0]);
  const std::optional<HostSays> host = host_says(packet[1]);
  if (!stays || !host) return std::nullopt;
  return AgentReport{*stays, *host, static_cast<std::uint8_t>(packet[2]), std::string(packet.substr(3))};
}

std::optional<AgentSeat> AgentSeat::taken(const std::string& path) {
  const std::optional<std::string> limits = env(env_agent);
  if (!limits) return std::nullopt;
  unset_env(env_agent);
  const char* const started_from = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  std::size_t messages = 0;
  std::int64_t seconds = 0;
  if (started_from == nullptr || path != started_from || !parse_limits(*limits, messages, seconds))
    return std::nullopt;
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(agent_fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
    return std::nullopt;
  set_cloexec(agent_fd, true);
  return AgentSeat(Fd(agent_fd), messages, Deadline::in_seconds(seconds));
}

AgentSeat::AgentSeat(Fd socket, std::size_t messages, Deadline until)
    : socket_(std::move(socket)), left_(messages), until_(until) {
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!belongs_to_one_delivery(*variable)) inherited_.push_back(*variable);
}

bool AgentSeat::more() const {
  return left_ > 1 && !last_ && !until_.passed();
}

bool AgentSeat::report(const AgentReport& report) {
  --left_;
  return send_message(socket_.get(), encode_agent_report(report));
}

std::optional<AgentSeat::Job> AgentSeat::next() {
  // Waits in poll(2): one that is killed while it waits has not taken the job out of the socket, so that it
  // is known to be undone; recvmsg(2), woken by the signal, may take it and die with it.
  wait_readable(socket_.get(), Deadline::never());
  std::optional<Message> packet = receive_message(socket_.get(), agent_job_limit);
  if (!packet || packet->data.empty() || packet->fd_count != 1) return std::nullopt;
  std::optional<AgentJob> job = decode_job(packet->data);
  if (!job) return std::nullopt;
  last_ = job->last;
  variables_ = std::move(job->env);
  environment_.clear();
  for (std::string& variable : variables_) environment_.push_back(variable.data());
  environment_.insert(environment_.end(), inherited_.begin(), inherited_.end());
  environment_.push_back(nullptr);
  environ = environment_.data();
  return Job{std::move(job->args), std::move(packet->fds[0])};
}

}  // namespace hato

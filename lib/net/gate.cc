#include "lib/net/gate.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include <algorithm>

#include "lib/base/byte_order.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/queue_exit.h"

namespace hato {

using namespace gate_format;

namespace {

constexpr std::size_t flush_at = 32U << 10;  // bytes collected before a send
constexpr int least_wait_ms = 1000;          // for an admission, however little patience is left
constexpr int send_seconds = 300;            // how long the gate may take to accept one piece

GateResult code_only(QueueExit code) {
  GateResult result;
  result.code = static_cast<int>(code);
  return result;
}

std::uint64_t number_of(const std::string& text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

GateResult decode_result(std::string_view payload) {
  GateResult result = code_only(QueueExit::outcome_unknown);
  const std::optional<OriginFields> fields = decode_fields(payload);
  if (!fields) return result;
  for (const auto& [name, value] : *fields) {
    if (name == "code") result.code = static_cast<int>(number_of(value));
    if (name == "text") result.text = value;
    if (name == "id") result.id = QueueId::parse(value).value_or(QueueId());
    if (name == "qp") result.qp = static_cast<std::uint32_t>(number_of(value));
  }
  return result;
}

}  // namespace

std::string gate_directory() {
  return std::string(conf::home) + "/gate";
}

std::string gate_path() {
  return gate_directory() + "/s";
}

std::string GateResult::report() const {
  return queue_exit_text(code, text);
}

void append_record(std::string& out, char type, std::string_view payload) {
  out += type;
  put_big(out, static_cast<std::uint32_t>(payload.size()));
  out += payload;
}

bool take_record(std::string_view& bytes, char& type, std::string_view& payload) {
  if (bytes.size() < record_head) return false;
  const std::size_t length = get_big<std::uint32_t>(bytes, 1);
  if (length > record_limit) throw TempError("gate: a record of " + std::to_string(length) + " bytes");
  if (bytes.size() < record_head + length) return false;
  type = bytes[0];
  payload = bytes.substr(record_head, length);
  bytes.remove_prefix(record_head + length);
  return true;
}

std::string encode_fields(const OriginFields& fields) {
  std::string bytes;
  for (const auto& [name, value] : fields) bytes += name + "=" + value.substr(0, value.find('\0')) + '\0';
  return bytes;
}

std::optional<OriginFields> decode_fields(std::string_view bytes) {
  OriginFields fields;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view one = bytes.substr(0, end);
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    fields.emplace_back(one.substr(0, equals), one.substr(equals + 1));
    bytes.remove_prefix(end + 1);
  }
  return fields;
}

GateResult Gate::connect(const std::string& path, Deadline patience) {
  constexpr long first_pause = 10 * 1000 * 1000, longest_pause = 200 * 1000 * 1000;  // nanoseconds
  for (timespec pause{0, first_pause};; pause.tv_nsec = std::min(2 * pause.tv_nsec, longest_pause)) {
    const bool nearly_over = patience.poll_ms() >= 0 && patience.poll_ms() < least_wait_ms;
    const GateResult result =
        try_once(path, nearly_over ? Deadline::in(std::chrono::milliseconds(least_wait_ms)) : patience);
    const bool again = result.code == static_cast<int>(QueueExit::not_admitted) ||
                       result.code == static_cast<int>(QueueExit::gate_silent);
    if (!again || patience.passed()) return result;
    nanosleep(&pause, nullptr);
  }
}

GateResult Gate::try_once(const std::string& path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return code_only(QueueExit::installation);
  path.copy(address.sun_path, path.size());
  in_.clear();
  socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_) return code_only(QueueExit::gate_silent);
  // Non-blocking: a gate that has stopped accepting, with its backlog full, would block connect for ever; so
  // it is EAGAIN.
  while (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    return code_only(errno == EACCES || errno == EPERM ? QueueExit::no_permission : QueueExit::gate_silent);
  }
  char type;
  std::string payload;
  if (!read_record(type, payload, deadline)) return code_only(QueueExit::gate_silent);
  if (type == gate_format::result) return decode_result(payload);
  const std::optional<OriginFields> fields = decode_fields(payload);
  if (type != gate_format::admission || !fields) return code_only(QueueExit::gate_silent);
  take_admission(*fields);
  return GateResult();
}

void Gate::take_admission(const OriginFields& fields) {
  for (const auto& [name, value] : fields) {
    if (name == "me") admission_.me = value;
    if (name == "defaulthost") admission_.defaulthost = value;
    if (name == "defaultdomain") admission_.defaultdomain = value;
    if (name == "plusdomain") admission_.plusdomain = value;
    if (name == "idhost") admission_.idhost = value;
    if (name == "sender") admission_.default_sender = value;
    if (name == "ask") admission_.ask_with_script = value == "script";
    if (name == "databytes") admission_.databytes = number_of(value);
  }
}

bool Gate::read_record(char& type, std::string& payload, Deadline deadline) {
  for (;;) {
    std::string_view rest = in_;
    std::string_view body;
    try {
      if (take_record(rest, type, body)) {
        payload = body;
        in_.erase(0, in_.size() - rest.size());
        return true;
      }
      if (!wait_readable(socket_.get(), deadline)) return false;
    } catch (const TempError&) {
      return false;
    }
    char space[4096];
    const ssize_t n = recv(socket_.get(), space, sizeof space, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    in_.append(space, static_cast<std::size_t>(n));
  }
}

void Gate::put_record(char type, std::string_view payload) {
  if (broken_) return;
  append_record(out_, type, payload);
  if (out_.size() >= flush_at) flush();
}

void Gate::flush() {
  std::string_view rest = out_;
  while (!rest.empty() && !broken_) {
    const ssize_t n = send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd p{socket_.get(), POLLOUT, 0};
      if (poll(&p, 1, send_seconds * 1000) != 0) continue;  // writable, broken, or a signal: send tells which
    }
    read_result_after_break();
  }
  out_.clear();
}

// The gate hung up while we were sending. It says why before it does.
void Gate::read_result_after_break() {
  broken_ = true;
  char type;
  std::string payload;
  while (read_record(type, payload, Deadline::in_seconds(5)))
    if (type == gate_format::result) {
      early_ = decode_result(payload);
      return;
    }
  early_ = code_only(QueueExit::gate_silent);
}

void Gate::origin(const GateOrigin& origin) {
  OriginFields fields{{"kind", kind_name(origin.kind)}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) fields.emplace_back(name, value);
  };
  add("trace", origin.trace);
  add("ip", origin.ip);
  add("host", origin.host);
  add("helo", origin.helo);
  add("info", origin.info);
  add("local", origin.local);
  add("protocol", origin.protocol);
  add("login", origin.login);
  add("script", origin.script);
  add("server", origin.server);
  add("fields", origin.fields);
  if (origin.databytes) add("databytes", std::to_string(*origin.databytes));
  const bool ask =
      origin.asks_sender && admission_.ask_with_script && !(origin.script.empty() && origin.server.empty());
  if (ask) add("ask", "sender");
  put_record(gate_format::origin, encode_fields(fields));
  if (!ask) return;
  flush();
  char type;
  std::string payload;
  if (broken_ || !read_record(type, payload, Deadline::in_seconds(send_seconds))) return;  // commit() tells
  if (type == gate_format::result) {
    broken_ = true;
    early_ = decode_result(payload);
  } else if (const auto answer = decode_fields(payload); answer && type == gate_format::admission) {
    take_admission(*answer);
  }
}

void Gate::message(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t n = std::min(piece.size(), flush_at);
    put_record(gate_format::message, piece.substr(0, n));
    piece.remove_prefix(n);
  }
}

void Gate::end_message() {
  put_record(gate_format::message_end, "");
}

void Gate::put_parameters(std::uint32_t index, std::string_view params) {
  if (params.empty()) return;
  std::string payload;
  put_big(payload, index);
  payload += params;
  put_record(gate_format::parameters, payload);
}

void Gate::sender(std::string_view address, std::string_view params) {
  if (address.size() >= max_envelope_address) early_ = code_only(QueueExit::address_too_long);
  put_record(gate_format::envelope, "F" + std::string(address) + '\0');
  put_parameters(0, params);
}

void Gate::recipient(std::string_view address, std::string_view params) {
  if (address.size() >= max_envelope_address) early_ = code_only(QueueExit::address_too_long);
  put_record(gate_format::envelope, "T" + std::string(address) + '\0');
  put_parameters(++recipients_, params);
}

void Gate::envelope_bytes(std::string_view piece) {
  raw_envelope_ = true;
  while (!piece.empty()) {
    const std::size_t n = std::min(piece.size(), flush_at);
    put_record(gate_format::envelope, piece.substr(0, n));
    piece.remove_prefix(n);
  }
}

GateResult Gate::commit(Deadline patience) {
  if (early_ && !broken_)
    return *early_;  // an address too long: closing the connection leaves nothing behind
  if (!raw_envelope_) put_record(gate_format::envelope, std::string_view("\0", 1));
  put_record(gate_format::commit, "");
  flush();
  if (early_) return *early_;
  char type;
  std::string payload;
  while (read_record(type, payload, patience))
    if (type == gate_format::result) return decode_result(payload);
  return code_only(QueueExit::outcome_unknown);
}

}  // namespace hato

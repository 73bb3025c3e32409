#include "lib/net/content.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato {

namespace {

constexpr std::size_t piece_limit = 32U << 10;

Fd connect_service(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw TempError("its path is too long");
  path.copy(address.sun_path, path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("socket");
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw_errno("connect");
  return socket;
}

void send_question(int socket, int message, std::uint64_t size, Kind kind, std::string_view trace,
                   const QueuedEnvelope& envelope) {
  OriginFields fields{{"kind", kind_name(kind)},
                      {"trace", std::string(trace)},
                      {"start", std::to_string(queue_format::message_area)},
                      {"size", std::to_string(size)},
                      {"sender", envelope.sender},
                      {"params", envelope.params}};
  fields.insert(fields.end(), envelope.origin.begin(), envelope.origin.end());
  std::string first;
  append_record(first, gate_format::origin, encode_fields(fields));
  if (!send_message(socket, first, &message, 1)) throw TempError("it hung up");
  std::string rest;
  for (const auto& recipient : envelope.recipients) {
    append_record(rest, gate_format::envelope, "T" + recipient.address + '\0');
    if (rest.size() < piece_limit) continue;
    if (!send_message(socket, rest)) throw TempError("it hung up");
    rest.clear();
  }
  append_record(rest, gate_format::commit, "");
  if (!send_message(socket, rest)) throw TempError("it hung up");
}

// What may stand in front of a message: header fields, each line ended by LF, no empty line.
bool sound_fields(std::string_view fields) {
  if (fields.empty()) return true;
  if (fields.back() != '\n' || fields.front() == ' ' || fields.front() == '\t' || fields.front() == '\n')
    return false;
  return fields.find("\n\n") == std::string_view::npos && fields.find('\0') == std::string_view::npos &&
         fields.find('\r') == std::string_view::npos;
}

void take_verdict(std::string_view payload, ContentAnswer& answer) {
  const std::optional<OriginFields> fields = decode_fields(payload);
  if (!fields) throw TempError("its verdict cannot be read");
  std::string verdict;
  for (const auto& [name, value] : *fields) {
    if (name == "verdict") verdict = value;
    if (name == "text") answer.text = value;
  }
  if (verdict == "accept")
    answer.verdict = Verdict::accept;
  else if (verdict == "refuse")
    answer.verdict = Verdict::refuse;
  else if (verdict == "defer")
    answer.verdict = Verdict::defer;
  else if (verdict == "discard")
    answer.verdict = Verdict::discard;
  else
    throw TempError("its verdict is none of accept, refuse, defer, discard");
}

ContentAnswer read_answer(int socket, Deadline deadline) {
  ContentAnswer answer;
  std::string bytes;
  for (;;) {
    if (!wait_readable(socket, deadline)) throw TempError("it did not answer in time");
    std::optional<Message> part = receive_message(socket, 64U << 10);
    if (!part) continue;
    if (part->data.empty()) throw TempError("it hung up before its verdict");
    if (part->fd_count > 0 && !part->fds[0])
      throw TempError("the message that it puts in the place of ours cannot be taken");
    if (part->fd_count > 0) answer.replacement = std::move(part->fds[0]);
    bytes += part->data;
    std::string_view rest = bytes, payload;
    char type;
    while (take_record(rest, type, payload)) {
      if (type == 'H') answer.prepend += payload;
      if (answer.prepend.size() > queue_format::prepend_limit)
        throw TempError("it puts more than 1 MiB in front");
      if (type == 'R') {
        take_verdict(payload, answer);
        if (!sound_fields(answer.prepend)) throw TempError("what it puts in front are not header fields");
        return answer;
      }
    }
    bytes.erase(0, bytes.size() - rest.size());
  }
}

}  // namespace

ContentAnswer ask_content_service(const std::string& path, int message, std::uint64_t size, Kind kind,
                                  std::string_view trace, const QueuedEnvelope& envelope, Deadline deadline) {
  try {
    const Fd socket = connect_service(path);
    send_question(socket.get(), message, size, kind, trace, envelope);
    return read_answer(socket.get(), deadline);
  } catch (const Error& e) {
    ContentAnswer answer;
    answer.text = "content service " + path + ": " + e.text();
    return answer;
  }
}

}  // namespace hato

#include "lib/store/queuefile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/conf.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"
#include "lib/base/trace.h"

namespace hato {

using namespace queue_format;

namespace {

// Where each number of the header stands.
enum Offset : std::size_t {
  at_magic = 0,
  at_version = 8,
  at_header_crc = 12,
  at_birth = 16,
  at_key = 24,
  at_trace = 40,
  at_message_start = 56,
  at_message_end = 64,
  at_envelope_length = 72,
  at_envelope_crc = 80,
  at_prepended_crc = 84,
  at_body_crc = 88,
  at_recipients = 92,
  at_uid = 96,
  at_qp = 100,
  at_kind = 104,
  at_end = 108,
};

std::uint32_t header_crc(std::string bytes) {
  bytes.replace(at_header_crc, 4, 4, '\0');
  return crc32c(bytes);
}

// Takes one NUL-terminated string off the front; false when there is no NUL.
bool take_string(std::string_view& rest, std::string_view& value) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return false;
  value = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

std::string subdirectory(const char* part, QueueId id, unsigned split) {
  return "/" + std::string(part) + "/" + std::to_string(id.value() % split) + "/" + id.text();
}

}  // namespace

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.empty() || text.size() > 19 || text[0] == '0') return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return QueueId(value);
}

QueuePaths::QueuePaths() : QueuePaths(std::string(conf::home) + "/queue", conf::split) {}
std::string QueuePaths::mess(QueueId id) const {
  return queue + subdirectory("mess", id, split);
}
std::string QueuePaths::state(QueueId id) const {
  return queue + subdirectory("state", id, split);
}

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::local:
      return "local";
    case Kind::forward:
      return "forward";
    case Kind::submission:
      return "submission";
    case Kind::mx:
      return "mx";
    case Kind::bounce:
      return "bounce";
  }
  return "unknown";
}

std::optional<Kind> parse_kind(std::string_view name) {
  for (const Kind kind : {Kind::local, Kind::forward, Kind::submission, Kind::mx, Kind::bounce})
    if (name == kind_name(kind)) return kind;
  return std::nullopt;
}

std::string encode_header(const QueueHeader& header) {
  std::string bytes(magic);
  put_big(bytes, version);
  put_big(bytes, std::uint32_t{0});  // the CRC, filled in below
  put_big(bytes, header.birth_us);
  bytes.append(header.key.data(), header.key.size());
  bytes += header.trace.substr(0, 16);
  bytes.resize(at_message_start, '\0');
  put_big(bytes, header.message_start);
  put_big(bytes, header.message_end);
  put_big(bytes, header.envelope_length);
  put_big(bytes, header.envelope_crc);
  put_big(bytes, header.prepended_crc);
  put_big(bytes, header.body_crc);
  put_big(bytes, header.recipients);
  put_big(bytes, header.uid);
  put_big(bytes, header.qp);
  put_big(bytes, static_cast<std::uint32_t>(header.kind));
  bytes.resize(header_size, '\0');
  std::string crc;
  put_big(crc, header_crc(bytes));
  bytes.replace(at_header_crc, 4, crc);
  return bytes;
}

std::optional<QueueHeader> decode_header(std::string_view bytes) {
  if (bytes.size() != header_size || bytes.substr(at_magic, magic.size()) != magic) return std::nullopt;
  if (get_big<std::uint32_t>(bytes, at_version) != version) return std::nullopt;
  if (get_big<std::uint32_t>(bytes, at_header_crc) != header_crc(std::string(bytes))) return std::nullopt;
  QueueHeader header;
  header.birth_us = get_big<std::uint64_t>(bytes, at_birth);
  bytes.copy(header.key.data(), key_size, at_key);
  header.trace = std::string(bytes.substr(at_trace, trace_length));
  header.message_start = get_big<std::uint64_t>(bytes, at_message_start);
  header.message_end = get_big<std::uint64_t>(bytes, at_message_end);
  header.envelope_length = get_big<std::uint64_t>(bytes, at_envelope_length);
  header.envelope_crc = get_big<std::uint32_t>(bytes, at_envelope_crc);
  header.prepended_crc = get_big<std::uint32_t>(bytes, at_prepended_crc);
  header.body_crc = get_big<std::uint32_t>(bytes, at_body_crc);
  header.recipients = get_big<std::uint32_t>(bytes, at_recipients);
  header.uid = get_big<std::uint32_t>(bytes, at_uid);
  header.qp = get_big<std::uint32_t>(bytes, at_qp);
  const std::uint32_t kind = get_big<std::uint32_t>(bytes, at_kind);
  if (kind > static_cast<std::uint32_t>(Kind::bounce)) return std::nullopt;
  header.kind = static_cast<Kind>(kind);
  if (!is_trace_id(header.trace)) return std::nullopt;
  if (header.envelope_length > envelope_limit) return std::nullopt;
  if (header.message_start > message_area || header.message_start < message_area - prepend_limit)
    return std::nullopt;
  if (header.message_end < message_area) return std::nullopt;
  return header;
}

std::string encode_envelope(const QueuedEnvelope& envelope) {
  std::string bytes;
  for (const auto& [name, value] : envelope.origin) bytes += name + "=" + value + '\0';
  bytes += '\0';
  bytes += "F" + envelope.sender + '\0' + envelope.params + '\0';
  for (const Recipient& recipient : envelope.recipients) {
    bytes += 'T';
    bytes += recipient.address;
    bytes += '\0';
    bytes += recipient.params;
    bytes += '\0';
  }
  bytes += '\0';
  return bytes;
}

std::optional<QueuedEnvelope> decode_envelope(std::string_view bytes) {
  QueuedEnvelope envelope;
  std::string_view rest = bytes, value;
  for (;;) {
    if (!take_string(rest, value)) return std::nullopt;
    if (value.empty()) break;
    const std::size_t equals = value.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    envelope.origin.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  }
  if (!take_string(rest, value) || value.empty() || value[0] != 'F') return std::nullopt;
  envelope.sender = value.substr(1);
  if (!take_string(rest, value)) return std::nullopt;
  envelope.params = value;
  for (;;) {
    if (!take_string(rest, value)) return std::nullopt;
    if (value.empty()) break;
    if (value[0] != 'T') return std::nullopt;
    Recipient recipient;
    recipient.address = value.substr(1);
    if (!take_string(rest, value)) return std::nullopt;
    recipient.params = value;
    envelope.recipients.push_back(std::move(recipient));
  }
  if (!rest.empty()) return std::nullopt;
  return envelope;
}

OpenResult open_message(const std::string& path, OpenedMessage& message, std::string& why) {
  Fd fd = try_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    if (errno == ENOENT) return OpenResult::missing;
    if (errno == ELOOP) {
      why = "is a symbolic link";
      return OpenResult::damaged;
    }
    throw_errno("open " + path);
  }
  struct stat st;
  if (fstat(fd.get(), &st) != 0) throw_errno("stat " + path);
  if (!S_ISREG(st.st_mode)) {
    why = "is not a regular file";
    return OpenResult::damaged;
  }
  // One read takes header and, nearly always, the whole envelope.
  std::string front = pread_some(fd.get(), 4096, 0, path);
  const std::optional<QueueHeader> header = decode_header(std::string_view(front).substr(0, header_size));
  if (!header) {
    why = "its header is not a sound one";
    return OpenResult::damaged;
  }
  if (static_cast<std::uint64_t>(st.st_size) != header->message_end) {
    why = "it has " + std::to_string(st.st_size) + " bytes where its header says " +
          std::to_string(header->message_end);
    return OpenResult::damaged;
  }
  const std::size_t end = header_size + header->envelope_length;
  if (front.size() < end) front = pread_some(fd.get(), end, 0, path);
  const std::string_view bytes = std::string_view(front).substr(header_size, header->envelope_length);
  std::optional<QueuedEnvelope> envelope;
  if (bytes.size() == header->envelope_length && crc32c(bytes) == header->envelope_crc)
    envelope = decode_envelope(bytes);
  if (!envelope || envelope->recipients.size() != header->recipients) {
    why = "its envelope is not a sound one";
    return OpenResult::damaged;
  }
  if (lseek(fd.get(), static_cast<off_t>(header->message_start), SEEK_SET) < 0) throw_errno("seek " + path);
  message.fd = std::move(fd);
  message.header = *header;
  message.envelope = std::move(*envelope);
  return OpenResult::ok;
}

Fd open_delivery(const std::string& path, const QueueHeader& header) {
  Fd fd = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (lseek(fd.get(), static_cast<off_t>(header.message_start), SEEK_SET) < 0) throw_errno("seek " + path);
  return fd;
}

std::string check_message_body(const OpenedMessage& message) {
  constexpr std::size_t piece = 256U << 10;
  const QueueHeader& header = message.header;
  const std::size_t prepended = static_cast<std::size_t>(message_area - header.message_start);
  if (crc32c(pread_some(message.fd.get(), prepended, static_cast<off_t>(header.message_start),
                        "queue file")) != header.prepended_crc)
    return "the fields put in front of the message have changed";
  std::uint32_t crc = 0;
  for (std::uint64_t at = message_area; at < header.message_end;) {
    const std::string part = pread_some(message.fd.get(), piece, static_cast<off_t>(at), "queue file");
    if (part.empty()) return "the message is shorter than its header says";
    crc = crc32c(part, crc);
    at += part.size();
  }
  return crc == header.body_crc ? "" : "the message has changed";
}

}  // namespace hato

// The queue's message files: one message, one file, immutable once it has a name. man/qmail-queuefile.5 has
// the format in prose; its constants are here and nowhere else.
//
//   0             header, 256 bytes, with a CRC-32C of itself
//   256           envelope: origin, sender, recipients (envelope_length bytes, CRC-32C in the header)
//   ...           a hole that takes no disk
//   256 MiB - n   fields put in front by us, n <= 1 MiB
//   256 MiB       the message as received, LF line ends, to the end of the file
//
// message_start says where a delivery agent begins to read. Numbers are big-endian.
#pragma once

#include <sys/types.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"
#include "lib/mail/envelope.h"

namespace hato {

namespace queue_format {
constexpr std::string_view magic = "hatoqu1\n";
constexpr std::uint32_t version = 1;
constexpr std::size_t header_size = 256;
constexpr std::uint64_t message_area = 256ULL << 20;
constexpr std::size_t prepend_limit = 1U << 20;
constexpr std::size_t envelope_limit = 128U << 20;  // bytes of origin, sender and all recipients together
constexpr std::size_t key_size = 16;
}  // namespace queue_format

// A message's name in the queue: microseconds since 1970 when it was committed.
class QueueId {
 public:
  constexpr QueueId() = default;
  constexpr explicit QueueId(std::uint64_t value) : value_(value) {}
  // Decimal digits without sign, blank or leading zero, 1 to 19 of them; nullopt for anything else. No "/"
  // can pass.
  static std::optional<QueueId> parse(std::string_view text);
  constexpr std::uint64_t value() const { return value_; }
  std::string text() const { return std::to_string(value_); }
  auto operator<=>(const QueueId&) const = default;

 private:
  std::uint64_t value_ = 0;
};

// Where the parts of a queue lie below its directory (HOME/queue).
struct QueuePaths {
  std::string queue;
  unsigned split;
  QueuePaths();  // conf::home + "/queue", conf::split
  QueuePaths(std::string directory, unsigned subdirectories)
      : queue(std::move(directory)), split(subdirectories) {}
  std::string fresh() const { return queue + "/new"; }
  std::string fresh(QueueId id) const { return queue + "/new/" + id.text(); }
  std::string mess(QueueId id) const;   // queue/mess/NN/ID
  std::string state(QueueId id) const;  // queue/state/NN/ID
  std::string bad(QueueId id) const { return queue + "/bad/" + id.text(); }
  std::string hold(QueueId id) const { return queue + "/hold/" + id.text(); }  // a mark: not to be tried
  std::string lock(const char* name) const { return queue + "/lock/" + name; }
};

// Who brought a message. Values are in queue files: add, never renumber.
enum class Kind : std::uint32_t { local = 0, forward = 1, submission = 2, mx = 3, bounce = 4 };
const char* kind_name(Kind kind);  // "local", "forward", "submission", "mx", "bounce"
std::optional<Kind> parse_kind(std::string_view name);

// What the sender says about itself; NAME=VALUE pairs without NUL, newline or '=' in the name. Known names:
// ip, host, helo, info, login, protocol, script. Unknown ones are kept.
using OriginFields = std::vector<std::pair<std::string, std::string>>;

// lib/mail/envelope.h's, and where it came from.
struct QueuedEnvelope : Envelope {
  OriginFields origin;
};

// The header's numbers. All but the CRCs and lengths come from the gate.
struct QueueHeader {
  std::uint64_t birth_us = 0;                        // arrival; the file's first name
  std::array<char, queue_format::key_size> key{};    // random; the state file repeats it
  std::string trace;                                 // lib/base/trace.h
  std::uint64_t message_start = 0, message_end = 0;  // offsets; message_end is the size of the file
  std::uint64_t envelope_length = 0;
  std::uint32_t envelope_crc = 0, prepended_crc = 0, body_crc = 0;
  std::uint32_t recipients = 0;
  std::uint32_t uid = 0;  // of the process that connected to the gate
  std::uint32_t qp = 0;   // pid of the worker that wrote the file
  Kind kind = Kind::local;

  std::uint64_t message_bytes() const { return message_end - message_start; }
};

std::string encode_header(const QueueHeader& header);  // header_size bytes
// nullopt: wrong size, magic, version, CRC, or numbers that contradict one another.
std::optional<QueueHeader> decode_header(std::string_view bytes);

std::string encode_envelope(const QueuedEnvelope& envelope);
std::optional<QueuedEnvelope> decode_envelope(
    std::string_view bytes);  // strict: nullopt for any excess or lack

// A message file that was opened and whose header and envelope passed their checks.
struct OpenedMessage {
  Fd fd;  // positioned at message_start
  QueueHeader header;
  QueuedEnvelope envelope;
};

// What open_message found out.
enum class OpenResult { ok, missing, damaged };
// Opens and checks header, envelope and the size of the file; reads nothing of the message. `why` tells what
// is wrong with a damaged one. Throws SystemError for everything that is not a property of the file (EACCES,
// EIO, EMFILE).
OpenResult open_message(const std::string& path, OpenedMessage& message, std::string& why);
// Another open file description of the same file, positioned at message_start, for one delivery.
Fd open_delivery(const std::string& path, const QueueHeader& header);

// Reads all of the message and compares both CRCs. Empty: sound; otherwise what is wrong.
std::string check_message_body(const OpenedMessage& message);

}  // namespace hato

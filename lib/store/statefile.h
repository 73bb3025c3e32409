// queue/state/NN/ID: what became of each recipient of a deferred or half-delivered message so far. Only
// qmail-send reads and writes it. man/qmail-statefile.5 has the format in prose.
//
//   head     magic (8 bytes), version u32, CRC-32C u32 of the head with the CRC as 0, message key (16 bytes)
//   record   length u32 of what follows the CRC, CRC-32C u32 of it, type u8, recipient index u32, text
//
// Append-only, big-endian, written without fsync: after a power cut a recipient may be tried once more, never
// be forgotten. A file with another message's key is not ours and counts as empty; everything from the first
// record that is torn or damaged is cut off. A record of a type that is not known is skipped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"
#include "lib/store/queuefile.h"

namespace hato {

namespace state_format {
constexpr std::string_view magic = "hatost1\n";
constexpr std::uint32_t version = 1;
constexpr std::size_t head_size = 32;
constexpr std::size_t record_head = 8;
// Of a failure's text, what goes into the bounce; longer ones are cut off (qmail's REPORTMAX).
constexpr std::size_t text_limit = 10000;
// A state file larger than this is not read: the recipients are tried again.
constexpr std::size_t file_limit = 512U << 20;
}  // namespace state_format

using MessageKey = std::array<char, queue_format::key_size>;

// Values are on disk: add, never renumber.
enum class StateType : std::uint8_t {
  done = 1,      // delivered; text: for a report of success, if the sender wants one
  failed = 2,    // will never be; text for the bounce, LF line ends
  bounced = 3,   // the message's failures so far have been told to its sender; text: the bounce's id
  refused = 4,   // the gate refused the bounce for good: a double bounce is due; text: its reason
  delayed = 5,   // the sender knows that the message is delayed
  notified = 6,  // the sender knows of the deliveries so far that he wanted to hear of
  // An attempt failed for now; text: why, as in the log. The last one of a recipient counts, and none is
  // written when he has that text already. A message's are limited (qmail-send): later ones may be missing.
  deferred = 7,
  removed = 10,  // the operator took this recipient out: neither delivered nor bounced; text: who did it
};

// He has come to his end by it; the others are about the message, or a deferral.
bool is_about_recipient(StateType type);

struct StateRecord {
  StateType type = StateType::done;
  std::uint32_t recipient = 0;  // index into the envelope; 0 where the record is about the message
  std::string text;
  bool operator==(const StateRecord&) const = default;
};

std::string encode_state_head(const MessageKey& key);
std::string encode_state_record(const StateRecord& record);  // text cut off at text_limit

struct ParsedState {
  bool ours = false;  // head whole, and the key is the message's
  std::vector<StateRecord> records;
  std::size_t sound_bytes = 0;  // the file up to the first damage; 0 when it is not ours
};
ParsedState parse_state(std::string_view bytes, const MessageKey& key);

// The state of one message. Opens nothing until asked to.
class StateFile {
 public:
  StateFile(std::string path, const MessageKey& key) : path_(std::move(path)), key_(key) {}

  // What is written there; empty when there is no file, or another message's. Throws SystemError or
  // TempError when a file that exists cannot be read.
  std::vector<StateRecord> load();
  // Appends with one write and no fsync; creates the file (0640) when missing, replaces another message's.
  // Throws SystemError, and then the file is as before.
  void append(const StateRecord& record);
  // Closes; append opens again.
  void close() { fd_.reset(); }
  // Unlinks the file if it is there; a failure is thrown as SystemError.
  void remove();
  bool exists() const { return exists_; }  // as far as load and append have seen

 private:
  void open_for_append();

  std::string path_;
  MessageKey key_;
  Fd fd_;
  std::size_t size_ = 0;
  bool exists_ = false;
};

}  // namespace hato

#include "lib/store/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"

namespace hato {

using namespace state_format;

namespace {

constexpr std::size_t at_version = 8, at_crc = 12, at_key = 16;
constexpr std::size_t payload_head = 5;  // type and recipient index
// More cannot have been written by encode_state_record: such a length is damage.
constexpr std::size_t payload_limit = payload_head + text_limit;

std::string head_without_crc(const MessageKey& key) {
  std::string head(magic);
  put_big(head, version);
  put_big(head, std::uint32_t{0});
  head.append(key.data(), key.size());
  return head;
}

bool is_known(StateType type) {
  switch (type) {
    case StateType::done:
    case StateType::failed:
    case StateType::bounced:
    case StateType::refused:
    case StateType::delayed:
    case StateType::notified:
    case StateType::deferred:
    case StateType::removed:
      return true;
  }
  return false;
}

// Takes a whole record off the front; false when what is there is torn or damaged.
bool take_record(std::string_view& rest, std::string_view& payload) {
  if (rest.size() < record_head) return false;
  const std::size_t length = get_big<std::uint32_t>(rest);
  if (length < payload_head || length > payload_limit || rest.size() - record_head < length) return false;
  payload = rest.substr(record_head, length);
  if (crc32c(payload) != get_big<std::uint32_t>(rest, 4)) return false;
  rest.remove_prefix(record_head + length);
  return true;
}

}  // namespace

std::string encode_state_head(const MessageKey& key) {
  std::string head = head_without_crc(key);
  std::string crc;
  put_big(crc, crc32c(head));
  return head.replace(at_crc, 4, crc);
}

bool is_about_recipient(StateType type) {
  return type == StateType::done || type == StateType::failed || type == StateType::removed;
}

std::string encode_state_record(const StateRecord& record) {
  std::string payload(1, static_cast<char>(record.type));
  put_big(payload, record.recipient);
  payload += std::string_view(record.text).substr(0, text_limit);
  std::string bytes;
  put_big(bytes, static_cast<std::uint32_t>(payload.size()));
  put_big(bytes, crc32c(payload));
  return bytes + payload;
}

ParsedState parse_state(std::string_view bytes, const MessageKey& key) {
  ParsedState state;
  if (bytes.substr(0, head_size) != encode_state_head(key)) return state;
  state.ours = true;
  std::string_view rest = bytes.substr(head_size), payload;
  while (take_record(rest, payload)) {
    const auto type = static_cast<StateType>(payload[0]);
    if (!is_known(type)) continue;
    state.records.push_back(
        {type, get_big<std::uint32_t>(payload, 1), std::string(payload.substr(payload_head))});
  }
  state.sound_bytes = bytes.size() - rest.size();
  return state;
}

std::vector<StateRecord> StateFile::load() {
  const std::optional<std::string> bytes = read_file(path_, file_limit);
  exists_ = bytes.has_value();
  if (!bytes) return {};
  return parse_state(*bytes, key_).records;
}

void StateFile::open_for_append() {
  Fd fd = open_file(path_, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0640);
  exists_ = true;
  const std::optional<std::string> bytes = read_all(fd.get(), file_limit, path_);
  const ParsedState state = bytes ? parse_state(*bytes, key_) : ParsedState{};
  // A torn tail would hide what is appended behind it.
  if (!bytes || state.sound_bytes != bytes->size())
    if (ftruncate(fd.get(), static_cast<off_t>(state.sound_bytes)) != 0) throw_errno("truncate " + path_);
  size_ = state.sound_bytes;
  fd_ = std::move(fd);
}

void StateFile::append(const StateRecord& record) {
  if (!fd_) open_for_append();
  std::string bytes = size_ == 0 ? encode_state_head(key_) : std::string();
  bytes += encode_state_record(record);
  try {
    write_all(fd_.get(), bytes, path_);
  } catch (const SystemError&) {
    // What came of it on a full disk must not stay in front of the next record; if that fails too, the next
    // opening cuts it off.
    if (ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) fd_.reset();
    throw;
  }
  size_ += bytes.size();
}

void StateFile::remove() {
  fd_.reset();
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) throw_errno("unlink " + path_);
  exists_ = false;
}

}  // namespace hato

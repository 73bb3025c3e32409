// Who has got which automatic reply when: a small file in the account's home (RFC 3834 section 2: the same
// reply to the same sender once in some days).
//
// reply_record_size bytes, whatever happens: magic, a salt, and slots of a salted hash and a time. A full
// file forgets the oldest of a few; a damaged one begins anew. So what is wrong with it costs a reply too
// many or one too few, never mail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/fd.h"

namespace hato {

inline constexpr char reply_record_name[] = ".vacation-replies";
inline constexpr std::size_t reply_record_slots = 4096;
inline constexpr std::size_t reply_record_head = 32;  // 8 of magic, 16 of salt, 8 zero
inline constexpr std::size_t reply_record_slot = 16;  // hash, then seconds since 1970; big-endian
inline constexpr std::size_t reply_record_size = reply_record_head + reply_record_slots * reply_record_slot;
inline constexpr std::int64_t reply_lock_seconds = 10;

class ReplyRecord {
 public:
  // Opens or makes the file, mode 0600. Throws SystemError; TempError when it is no plain file of ours.
  explicit ReplyRecord(const std::string& path);

  // Notes that `key` (who and what) is being replied to now; false: that was done less than `seconds` ago,
  // and nothing is noted. Of several at once, one gets true. Durable. Throws SystemError, and TempError when
  // the file stays locked.
  bool claim(std::string_view key, std::int64_t now_seconds, std::int64_t seconds);
  // The reply was not sent.
  void release(std::string_view key);

 private:
  class Lock;
  void begin_if_damaged();
  std::uint64_t hash_of(std::string_view key) const;

  std::string path_;
  Fd file_;
};

}  // namespace hato

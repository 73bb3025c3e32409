#include "lib/store/reply_record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"

namespace hato {

namespace {

constexpr std::string_view magic = "hatorep1";
constexpr std::size_t salt_size = 16;
constexpr std::size_t window = 8;  // slots that may hold a hash

struct Slot {
  std::uint64_t hash = 0;
  std::int64_t when = 0;  // 0: free
};

off_t offset_of(std::size_t slot) {
  return static_cast<off_t>(reply_record_head + slot % reply_record_slots * reply_record_slot);
}

Slot read_slot(int fd, std::size_t slot, const std::string& path) {
  const std::string bytes = pread_some(fd, reply_record_slot, offset_of(slot), path);
  if (bytes.size() != reply_record_slot) return {};
  return {get_big<std::uint64_t>(bytes), static_cast<std::int64_t>(get_big<std::uint64_t>(bytes, 8))};
}

void write_slot(int fd, std::size_t slot, const Slot& value, const std::string& path) {
  std::string bytes;
  put_big(bytes, value.hash);
  put_big(bytes, static_cast<std::uint64_t>(value.when));
  pwrite_all(fd, bytes, offset_of(slot), path);
}

}  // namespace

// For as long as it lives. What holds it is killed at the latest with its program line.
class ReplyRecord::Lock {
 public:
  Lock(int fd, const std::string& path) : fd_(fd) {
    const Deadline deadline = Deadline::in_seconds(reply_lock_seconds);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("lock " + path);
      if (deadline.passed()) throw TempError(path + " stays locked");
      const timespec pause{0, 10'000'000};
      nanosleep(&pause, nullptr);
    }
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { flock(fd_, LOCK_UN); }

 private:
  int fd_;
};

ReplyRecord::ReplyRecord(const std::string& path)
    : path_(path), file_(open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600)) {
  struct stat status {};
  if (fstat(file_.get(), &status) != 0) throw_errno("look at " + path);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid())
    throw TempError(path + " is no plain file of ours");
}

void ReplyRecord::begin_if_damaged() {
  struct stat status {};
  if (fstat(file_.get(), &status) != 0) throw_errno("look at " + path_);
  if (status.st_size == static_cast<off_t>(reply_record_size) &&
      pread_some(file_.get(), magic.size(), 0, path_) == magic)
    return;
  if (ftruncate(file_.get(), 0) != 0 || ftruncate(file_.get(), reply_record_size) != 0)
    throw_errno("empty " + path_);
  std::string head(magic);
  char salt[salt_size];
  if (getrandom(salt, sizeof salt, 0) != static_cast<ssize_t>(sizeof salt)) throw_errno("getrandom");
  head.append(salt, sizeof salt);
  pwrite_all(file_.get(), head, 0, path_);
}

std::uint64_t ReplyRecord::hash_of(std::string_view key) const {
  const std::string salt = pread_some(file_.get(), salt_size, static_cast<off_t>(magic.size()), path_);
  return get_big<std::uint64_t>(sha256(salt, key));
}

bool ReplyRecord::claim(std::string_view key, std::int64_t now_seconds, std::int64_t seconds) {
  const Lock lock(file_.get(), path_);
  begin_if_damaged();
  const std::uint64_t hash = hash_of(key);
  std::size_t best = hash % reply_record_slots;
  Slot oldest = read_slot(file_.get(), best, path_);
  for (std::size_t i = 0; i < window; ++i) {
    const std::size_t at = (hash + i) % reply_record_slots;
    const Slot slot = read_slot(file_.get(), at, path_);
    if (slot.hash == hash && slot.when != 0) {
      // A time that is yet to come: somebody has set the clock back.
      const std::int64_t ago = now_seconds < slot.when ? slot.when - now_seconds : now_seconds - slot.when;
      if (ago < seconds) return false;
      best = at;
      break;
    }
    if (slot.when < oldest.when) {
      oldest = slot;
      best = at;
    }
  }
  write_slot(file_.get(), best, {hash, now_seconds}, path_);
  fsync_fd(file_.get(), path_);
  return true;
}

void ReplyRecord::release(std::string_view key) {
  const Lock lock(file_.get(), path_);
  begin_if_damaged();
  const std::uint64_t hash = hash_of(key);
  for (std::size_t i = 0; i < window; ++i) {
    const std::size_t at = (hash + i) % reply_record_slots;
    const Slot slot = read_slot(file_.get(), at, path_);
    if (slot.hash == hash && slot.when != 0) return write_slot(file_.get(), at, {}, path_);
  }
}

}  // namespace hato

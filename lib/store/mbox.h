// Delivery into an mbox file, mbox(5): append under a lock, fsync, truncate back when that fails.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/store/message_file.h"

namespace hato {

// How long a delivery waits for somebody else's lock.
constexpr std::chrono::seconds mbox_lock_limit{30};

// The file cannot be opened.
class MboxMissing : public SystemError {
 public:
  using SystemError::SystemError;
};

// An mbox opened for appending and locked: flock(2), or lockf(3) where the file system has no flock. Proves
// after the lock that the file is still the one with that name (maildir2mbox and mail readers rename a new
// one over it).
class LockedMbox {
 public:
  // Made (mode 0600) when it does not exist. Throws MboxMissing, and TimeoutError when somebody kept it
  // locked all the time.
  explicit LockedMbox(const std::string& path, std::chrono::seconds limit = mbox_lock_limit);
  int fd() const { return file_.get(); }
  // False when the file system knows no locks at all: then nothing may be truncated.
  bool locked() const { return locked_; }
  bool created() const { return created_; }  // by us: its directory needs an fsync

 private:
  bool same_file(const std::string& path) const;

  Fd file_;
  bool locked_ = false;
  bool created_ = false;
};

// Appends head (From_ line, Return-Path, Delivered-To) and the message, quoted as an mbox wants it; durable
// when it returns. Throws as LockedMbox does, and SystemError when reading or writing failed: then the file
// has its old length again.
void deliver_to_mbox(const std::string& path, std::string_view head, MessageFile& message,
                     std::chrono::seconds lock_limit = mbox_lock_limit);

}  // namespace hato

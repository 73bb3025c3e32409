// One message file being written: without a name until it is whole and on disk. design.md section 4.
//
// A process that is killed at any moment before link() leaves nothing behind (O_TMPFILE). Where the file
// system has no O_TMPFILE the file has a dot name, which scans skip and remove_leftovers() removes at the
// next start.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "lib/store/queuefile.h"

namespace hato {

class SpoolFile {
 public:
  // directory: an open descriptor of queue/new. Throws SystemError.
  explicit SpoolFile(int directory);
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  void append(std::string_view piece);  // of the message as received
  std::uint64_t message_size() const { return size_; }
  // Fields for the front, nearest the message first: a later call's text stands before an earlier one's.
  // Throws TempError when all together are over prepend_limit.
  void prepend(std::string_view fields);
  // The message becomes the contents of `source` from offset 0 to its end (a content service's replacement).
  void replace(int source);

  // Completes header (offsets, lengths, CRCs) and envelope, and brings everything to disk. Throws
  // SystemError.
  void finish(QueueHeader header, const QueuedEnvelope& envelope);
  // Gives the file its name; false when the name is taken. The caller then syncs the directory.
  bool link(QueueId id);

  int fd() const { return fd_.get(); }

 private:
  int directory_;
  Fd fd_;
  std::string dot_name_;  // empty with O_TMPFILE
  std::uint64_t size_ = 0;
  std::uint32_t body_crc_ = 0;
  std::string prepended_;
};

// Removes dot names of a gate that died, in queue/new. Only when no worker runs.
void remove_leftovers(const std::string& directory);

}  // namespace hato

#include "qmail-send/spool_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"

namespace hato {

using namespace queue_format;

namespace {
constexpr mode_t mode = 0640;  // qmailq writes, group qmail (qmail-send) reads
constexpr std::string_view dot_prefix = ".spool.";
}  // namespace

// Both opens have flags that the seal's filter lets through exactly as they are: neither can open an existing
// file.
SpoolFile::SpoolFile(int directory) : directory_(directory) {
  fd_.reset(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
  if (fd_) return;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) throw_errno("open a file in queue/new");
  dot_name_ = std::string(dot_prefix) + std::to_string(now_us()) + "." + std::to_string(getpid());
  fd_.reset(::openat(directory, dot_name_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
  if (!fd_) throw_errno("create queue/new/" + dot_name_);
}

SpoolFile::~SpoolFile() {
  if (!dot_name_.empty()) unlinkat(directory_, dot_name_.c_str(), 0);
}

void SpoolFile::append(std::string_view piece) {
  pwrite_all(fd_.get(), piece, static_cast<off_t>(message_area + size_), "queue/new");
  body_crc_ = crc32c(piece, body_crc_);
  size_ += piece.size();
}

void SpoolFile::prepend(std::string_view fields) {
  if (prepended_.size() + fields.size() > prepend_limit)
    throw TempError("more than 1 MiB of fields to put in front");
  prepended_.insert(0, fields);
}

void SpoolFile::replace(int source) {
  if (ftruncate(fd_.get(), static_cast<off_t>(message_area)) != 0) throw_errno("truncate queue/new");
  size_ = 0;
  body_crc_ = 0;
  for (;;) {
    const std::string piece = pread_some(source, 64U << 10, static_cast<off_t>(size_), "replacement");
    if (piece.empty()) return;
    append(piece);
  }
}

void SpoolFile::finish(QueueHeader header, const QueuedEnvelope& envelope) {
  const std::string bytes = encode_envelope(envelope);
  if (bytes.size() > envelope_limit) throw TempError("the envelope is larger than 128 MiB");
  header.message_start = message_area - prepended_.size();
  header.message_end = message_area + size_;
  header.envelope_length = bytes.size();
  header.envelope_crc = crc32c(bytes);
  header.prepended_crc = crc32c(prepended_);
  header.body_crc = body_crc_;
  header.recipients = static_cast<std::uint32_t>(envelope.recipients.size());
  pwrite_all(fd_.get(), encode_header(header) + bytes, 0, "queue/new");
  pwrite_all(fd_.get(), prepended_, static_cast<off_t>(header.message_start), "queue/new");
  // An empty message with nothing in front still has to end at the message area.
  if (size_ == 0 && ftruncate(fd_.get(), static_cast<off_t>(message_area)) != 0)
    throw_errno("truncate queue/new");
  fsync_fd(fd_.get(), "queue/new");
}

bool SpoolFile::link(QueueId id) {
  const std::string name = id.text();
  if (!dot_name_.empty()) {
    if (linkat(directory_, dot_name_.c_str(), directory_, name.c_str(), 0) == 0) return true;
  } else {
    // Since Linux 6.10 the empty path needs no capability; before that /proc has the way.
    if (linkat(fd_.get(), "", directory_, name.c_str(), AT_EMPTY_PATH) == 0) return true;
    if (errno == ENOENT || errno == EPERM || errno == EINVAL) {
      const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
      if (linkat(AT_FDCWD, self.c_str(), directory_, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
    }
  }
  if (errno == EEXIST) return false;
  throw_errno("link queue/new/" + name);
}

void remove_leftovers(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(directory.c_str()), closedir);
  if (!entries) throw_errno("open " + directory);
  while (const dirent* entry = readdir(entries.get()))
    if (std::string_view(entry->d_name).starts_with(dot_prefix))
      unlinkat(dirfd(entries.get()), entry->d_name, 0);
}

}  // namespace hato

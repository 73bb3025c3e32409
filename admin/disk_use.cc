#include "admin/disk_use.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"

namespace hato {

namespace {

constexpr std::uint64_t block = 512;  // of st_blocks

std::uint64_t disk_bytes(const struct stat& status) {
  return static_cast<std::uint64_t>(status.st_blocks) * block;
}

// Empty: it is gone, or another thing has come in its place.
Fd try_directory(int parent, const std::string& name) {
  Fd fd = try_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME);
  if (!fd && errno == EPERM) fd = try_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) throw_errno("open directory " + name);
  return fd;
}

}  // namespace

bool DiskUse::counted_before(std::uint64_t device, std::uint64_t inode) {
  if (linked_.size() >= limits_.linked_files) return linked_.contains({device, inode});
  return !linked_.insert({device, inode}).second;
}

void DiskUse::add(const std::string& path) {
  const Fd directory = try_directory(AT_FDCWD, path);
  if (!directory) return;
  struct stat status;
  if (fstat(directory.get(), &status) != 0) throw_errno("stat " + path);
  bytes_ += disk_bytes(status);
  add_entries(directory.get(), status.st_dev, 1);
}

void DiskUse::add_entries(int directory, std::uint64_t device, std::size_t depth) {
  if (depth > limits_.depth) {
    exceeded_ = true;
    return;
  }
  std::vector<std::string> below;
  read_directory(directory, "a directory of a contract", [&](const DirectoryEntry& entry) {
    if (++entries_ > limits_.entries) exceeded_ = true;
    struct stat status;
    if (exceeded_ || fstatat(directory, entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (status.st_dev != device) return;
    if (S_ISDIR(status.st_mode))
      below.emplace_back(entry.name);
    else if (status.st_nlink > 1 && counted_before(status.st_dev, status.st_ino))
      return;
    bytes_ += disk_bytes(status);
  });
  for (const std::string& name : below) {
    if (exceeded_) return;
    const Fd next = try_directory(directory, name);
    struct stat status;
    if (next && fstat(next.get(), &status) == 0 && status.st_dev == device)
      add_entries(next.get(), device, depth + 1);
  }
}

}  // namespace hato

// How much a directory takes on its disk, with everything below it: what `du -sx` says. The tree belongs to
// somebody who may not want it to be counted, and may change it meanwhile.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace hato {

class DiskUse {
 public:
  // Entries that are looked at, directories within one another, files with several names that are remembered.
  struct Limits {
    std::uint64_t entries = 50'000'000;
    std::size_t depth = 500;
    std::size_t linked_files = 1'000'000;
  };
  explicit DiskUse(Limits limits) : limits_(limits) {}
  DiskUse() : DiskUse(Limits()) {}

  // Adds the directory `path` and what is below it on the same file system. No symbolic link is followed, the
  // last part of `path` included. A file with several names counts once, up to the limit of those remembered.
  // What goes away meanwhile is nothing; so is a directory that is not there. Throws SystemError when one
  // cannot be read, and needs as many descriptors as directories lie within one another.
  void add(const std::string& path);

  std::uint64_t bytes() const { return bytes_; }
  // More entries, or deeper directories, than the limits: bytes() is less than what there is.
  bool exceeded() const { return exceeded_; }

 private:
  void add_entries(int directory, std::uint64_t device, std::size_t depth);
  bool counted_before(std::uint64_t device, std::uint64_t inode);

  const Limits limits_;
  std::uint64_t bytes_ = 0, entries_ = 0;
  bool exceeded_ = false;
  std::set<std::pair<std::uint64_t, std::uint64_t>> linked_;
};

}  // namespace hato

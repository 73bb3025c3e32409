#include "lib/store/control_watch.h"

#include <dirent.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string_view>

namespace hato {

namespace {

struct CloseDir {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

// The sum over all files, in whatever order they are read; 0: cannot be read.
std::uint64_t ControlWatch::fingerprint() const {
  const std::unique_ptr<DIR, CloseDir> directory(opendir(directory_.c_str()));
  if (!directory) return 0;
  std::uint64_t sum = 1;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    struct stat st {};
    if (name == "." || name == ".." || fstatat(dirfd(directory.get()), entry->d_name, &st, 0) != 0) continue;
    std::uint64_t mixed = std::hash<std::string_view>()(name);
    for (const std::uint64_t part :
         {static_cast<std::uint64_t>(st.st_ino), static_cast<std::uint64_t>(st.st_size),
          static_cast<std::uint64_t>(st.st_mtim.tv_sec), static_cast<std::uint64_t>(st.st_mtim.tv_nsec),
          static_cast<std::uint64_t>(st.st_ctim.tv_sec), static_cast<std::uint64_t>(st.st_ctim.tv_nsec)})
      mixed = (mixed ^ part) * 0x9e3779b97f4a7c15U;
    sum += mixed;
  }
  return sum;
}

std::uint64_t ControlWatch::generation(std::int64_t now_seconds) {
  if (now_seconds != looked_at_) {
    looked_at_ = now_seconds;
    const std::uint64_t now = fingerprint();
    if (generation_ == 0 || now != fingerprint_) ++generation_;
    fingerprint_ = now;
  }
  return fingerprint_ == 0 ? 0 : generation_;
}

}  // namespace hato

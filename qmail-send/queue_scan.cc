#include "qmail-send/queue_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "lib/base/directory.h"
#include "lib/base/error.h"

namespace hato {

namespace {

// Every entry that is a message's name.
template <typename Use>
void for_each_id(const std::string& path, Use use) {
  const Fd directory = open_file(path, O_RDONLY | O_DIRECTORY);
  read_directory(directory.get(), path, [&](const DirectoryEntry& entry) {
    if (const std::optional<QueueId> id = QueueId::parse(entry.name)) use(*id);
  });
}

bool file_exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 || errno != ENOENT;
}

QueueScan::Ids ids_in(const std::string& path) {
  QueueScan::Ids ids;
  for_each_id(path, [&](QueueId id) { ids.push_back(id.value()); });
  std::sort(ids.begin(), ids.end());
  return ids;
}

QueueScan::Ids ids_in_split(const QueuePaths& paths, const std::string& part,
                            std::vector<std::string>& misplaced) {
  QueueScan::Ids ids;
  for (unsigned n = 0; n < paths.split; ++n) {
    const std::string subdirectory = part + "/" + std::to_string(n);
    for_each_id(paths.queue + "/" + subdirectory, [&](QueueId id) {
      if (id.value() % paths.split == n)
        ids.push_back(id.value());
      else
        misplaced.push_back(subdirectory + "/" + id.text());
    });
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

QueueScan scan_queue(const QueuePaths& paths) {
  QueueScan scan;
  scan.states = ids_in_split(paths, "state", scan.misplaced);
  if (file_exists(paths.queue + "/hold")) scan.held = ids_in(paths.queue + "/hold");
  scan.deferred = ids_in_split(paths, "mess", scan.misplaced);
  scan.fresh = ids_in(paths.fresh());
  return scan;
}

std::uint64_t QueueScan::newest() const {
  return std::max(deferred.empty() ? 0 : deferred.back(), fresh.empty() ? 0 : fresh.back());
}

QueueScan::Ids QueueScan::strays(const Ids& names, const QueuePaths& paths) const {
  Ids messages, unknown, strays;
  std::merge(deferred.begin(), deferred.end(), fresh.begin(), fresh.end(), std::back_inserter(messages));
  std::set_difference(names.begin(), names.end(), messages.begin(), messages.end(),
                      std::back_inserter(unknown));
  // The message may have come since the directories were read.
  for (const std::uint64_t value : unknown) {
    const QueueId id(value);
    if (!file_exists(paths.fresh(id)) && !file_exists(paths.mess(id))) strays.push_back(value);
  }
  return strays;
}

void NewScan::begin(const QueuePaths& paths) {
  DIR* const directory = opendir(paths.fresh().c_str());
  if (directory == nullptr) throw_errno("open directory " + paths.fresh());
  directory_ = {directory, closedir};
}

std::vector<QueueId> NewScan::next(std::size_t entries) {
  std::vector<QueueId> ids;
  for (; entries > 0; --entries) {
    const dirent* entry = readdir(static_cast<DIR*>(directory_.get()));
    if (entry == nullptr) {
      directory_.reset();
      break;
    }
    if (const std::optional<QueueId> id = QueueId::parse(entry->d_name)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace hato

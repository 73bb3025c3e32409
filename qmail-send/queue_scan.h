// What lies in the queue, by the names of its files. No file is opened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/store/queuefile.h"

namespace hato {

// The whole queue, as qmail-send finds it. Each list is sorted.
struct QueueScan {
  using Ids = std::vector<std::uint64_t>;
  Ids states;                          // queue/state/NN
  Ids held;                            // queue/hold
  Ids deferred;                        // queue/mess/NN
  Ids fresh;                           // queue/new
  std::vector<std::string> misplaced;  // "mess/3/ID" that belongs in another subdirectory; not in the lists

  std::uint64_t newest() const;  // of deferred and fresh; 0 when there is none
  // Of states or held, what belongs to no message: a crash between the unlink of a message and that of the
  // rest leaves it behind.
  Ids strays(const Ids& names, const QueuePaths& paths) const;
};

// Throws SystemError for a directory that cannot be opened; queue/hold may be missing.
QueueScan scan_queue(const QueuePaths& paths);

// queue/new, read piece by piece.
class NewScan {
 public:
  // Throws SystemError, and nothing is going on then.
  void begin(const QueuePaths& paths);
  bool going() const { return directory_ != nullptr; }
  // The messages among the next so many entries; after the last entry it is no longer going.
  std::vector<QueueId> next(std::size_t entries);

 private:
  std::shared_ptr<void> directory_;  // a DIR
};

}  // namespace hato

// What lies in a queue, as the tools see it from outside: names of files, read from the directories, nothing
// opened.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lib/store/queuefile.h"

namespace hato {

struct ListedMessage {
  QueueId id;
  bool fresh = false;         // in new/: not yet tried, or being delivered for the first time
  unsigned subdirectory = 0;  // of mess/, when not fresh
  bool held = false;          // the operator holds it (hold/ID)
};

// A file with a name that the queue does not give out. Names that begin with a dot are left out: messages
// being written where the file system lacks O_TMPFILE.
struct Stray {
  std::string path;
};

class QueueListing {
 public:
  // Reads new/ first, then mess/, so that a message on its way from one to the other is seen (once). Throws
  // TempError with a sentence about who may look when the queue cannot be read.
  explicit QueueListing(const std::string& queue);

  // Where its files lie; split is the number of subdirectories that mess/ has (a queue keeps the number that
  // it was made with).
  const QueuePaths& paths() const { return paths_; }
  std::vector<ListedMessage> messages;  // by id
  std::vector<ListedMessage> states;    // state/NN/ID; never fresh
  std::vector<QueueId> bad;
  std::vector<QueueId> holds;  // names in hold/, by id; also those whose message is gone
  std::vector<Stray> strays;

  std::size_t fresh_count() const;
  std::size_t held_count() const;
  std::string path(const ListedMessage& message) const;
  std::string state_path(const ListedMessage& state) const;

 private:
  void read_names(const std::string& below, std::vector<ListedMessage>& into, bool fresh,
                  unsigned subdirectory);
  void read_holds();
  std::vector<unsigned> subdirectories(const std::string& below) const;

  QueuePaths paths_;
};

}  // namespace hato

// qmail-send's end of gate/list/s (lib/net/queue_list.h), where mailq of a user who cannot read the queue
// gets the messages that he handed in. qmail-send opens none of them and writes no list: it starts a
// qmail-qread for each, which has the connection for its output, and a time to live.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/base/start.h"

namespace hato {

constexpr std::size_t lists_at_once = 8;
constexpr std::size_t lists_of_a_user = 2;  // of these, of one uid

class ListServer {
 public:
  // Listens at `path`, for everybody. Throws SystemError or TempError; then there is just no list.
  void listen(const std::string& path);
  int fd() const { return listening_.get(); }  // to wait on for reading; -1 when nobody listens
  // To be called when fd() is readable. Never blocks; who cannot be served now is told so.
  void take();
  // A child has ended: a sentence for the log when it was one of ours and could not be started, else "".
  std::string ended(pid_t pid);

 private:
  struct Running {
    pid_t pid;
    uid_t uid;
    StartNote note;
  };
  void serve(const Fd& reader);
  std::size_t lists_of(uid_t uid) const;

  Fd listening_;
  StartNotes notes_;
  std::vector<Running> running_;
};

}  // namespace hato

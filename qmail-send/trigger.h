// queue/lock/trigger: the FIFO into which the gate's workers write "ID\n" when a message has come to
// queue/new, and an empty line when one may have come without saying so: a worker or a whole gate was killed.
// Drained without ever waiting.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"
#include "lib/store/queuefile.h"

namespace hato {

class Trigger {
 public:
  // Opens the FIFO for reading and writing, so that it never ends. Throws SystemError.
  explicit Trigger(const std::string& path);

  int fd() const { return fd_.get(); }

  struct Pulled {
    std::vector<QueueId> ids;
    // Look through queue/new as well: an empty line asks for it, or so much was waiting that writers may have
    // found the FIFO full.
    bool rescan = false;
  };
  // One read. What is no ID is ignored, and so is a line that does not end.
  Pulled drain();

 private:
  Fd fd_;
  std::string partial_;  // the beginning of a line whose end was not in the last read
};

// Cuts whole lines off the front of `text`; what is left is the beginning of the next. Pure.
std::vector<QueueId> take_ids(std::string& text);

}  // namespace hato

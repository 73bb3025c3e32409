// qmail-send's end of the socket to one spawner. Never blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "qmail-send/spawn_protocol.h"

namespace hato {

class SpawnerSocket {
 public:
  // Takes the descriptor over and makes it non-blocking.
  explicit SpawnerSocket(Fd socket);

  int fd() const { return socket_.get(); }

  enum class Sent { yes, full, gone };
  // One request with the message's descriptor. full: nothing was sent, wait until the socket is writable.
  // Throws TempError when the request cannot be said in the protocol, SystemError for anything unexpected.
  Sent send(const DeliveryRequest& request, int message);

  enum class Received { packet, nothing, gone };
  // One report as it came (for decode_report). The view is valid until the next call.
  Received receive(std::string_view& packet);

 private:
  Fd socket_;
};

}  // namespace hato

// The asking end of qmail-send's socket (lib/net/send_request.h).
#pragma once

#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/net/send_request.h"

namespace hato {

std::string send_socket_path();  // conf::home + "/gate/send/s"

class SendChannel {
 public:
  // False, errno set: nobody listens (ENOENT, ECONNREFUSED), this user may not come near (EACCES), or
  // qmail-send does not come round to it (EAGAIN).
  bool connect(const std::string& path);
  // An answer to each request, in order, however many they are. Throws TempError when qmail-send hangs up,
  // SystemError, or TimeoutError when an answer to one packet takes longer than `seconds`; what became of
  // that packet's requests is unknown then.
  std::vector<SendAnswer> ask(const std::vector<SendRequest>& requests, std::int64_t seconds);

 private:
  Fd socket_;
};

}  // namespace hato

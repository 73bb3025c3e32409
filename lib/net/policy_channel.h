// The asking end of one policy server (lib/net/policy.h): a connection that is kept from one question to the
// next.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/fd.h"
#include "lib/net/policy.h"

namespace hato {

class PolicyChannel {
 public:
  // path: of the Unix stream socket.
  explicit PolicyChannel(std::string path) : path_(std::move(path)) {}

  // Throws SystemError: nobody listens, or this user may not come near; TimeoutError: nobody accepts for
  // `seconds`; TempError after cut_off().
  void connect(std::int64_t seconds);
  bool connected() const { return static_cast<bool>(socket_); }
  // From now on the path means nothing any more (another root): only a connection that there is can be used.
  void cut_off() { cut_off_ = true; }

  // request: attributes, without the empty line. Connects when there is no connection, and once more when the
  // server has ended the one there was. Throws TimeoutError when no answer is complete after `seconds`,
  // TempError when the server hangs up or what it says is no answer; the connection is gone then.
  PolicyAnswer ask(const std::string& request, std::int64_t seconds);

 private:
  // The answer's text; empty: the server has ended the connection before it answered.
  std::string try_once(const std::string& message, std::int64_t seconds);

  std::string path_;
  Fd socket_;
  bool cut_off_ = false;
};

}  // namespace hato

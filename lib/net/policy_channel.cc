#include "lib/net/policy_channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato {

void PolicyChannel::connect(std::int64_t seconds) {
  if (cut_off_) throw TempError("no connection, and this session can make no other to " + path_);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) throw SystemError("connect to " + path_, ENAMETOOLONG);
  path_.copy(address.sun_path, path_.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("socket");
  // connect to a Unix socket waits for room in the backlog as long as a write may wait; poll cannot tell.
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(seconds);
  if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) throw_errno("setsockopt");
  int result;
  do result = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EAGAIN) throw TimeoutError("connect to " + path_ + ": nobody accepts");
  if (result != 0) throw_errno("connect to " + path_);
  socket_ = std::move(socket);
}

std::string PolicyChannel::try_once(const std::string& message, std::int64_t seconds) {
  const Deadline deadline = Deadline::in_seconds(seconds);
  if (!send_message(socket_.get(), message)) return {};
  std::string answer;
  for (;;) {
    if (!wait_readable(socket_.get(), deadline))
      throw TimeoutError("no answer for " + std::to_string(seconds) + " s");
    char piece[2048];
    const ssize_t n = recv(socket_.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) {
      if (answer.empty()) return {};
      throw TempError("hung up within an answer");
    }
    answer.append(piece, static_cast<std::size_t>(n));
    if (const auto size = policy_message_size(answer)) {
      if (*size != answer.size()) throw TempError("more than one answer");
      return answer;
    }
    if (answer.size() > policy_answer_limit) throw TempError("an answer that is too long");
  }
}

PolicyAnswer PolicyChannel::ask(const std::string& request, std::int64_t seconds) {
  // Whatever ends a question before its answer was read would leave an answer for the next one.
  struct Drop {
    Fd& socket;
    bool drop = true;
    ~Drop() {
      if (drop) socket.reset();
    }
  } guard{socket_};
  const bool kept = connected();
  if (!kept) connect(seconds);
  std::string text = try_once(request + "\n", seconds);
  if (text.empty() && kept) {
    connect(seconds);
    text = try_once(request + "\n", seconds);
  }
  if (text.empty()) throw TempError("hung up without an answer");
  const std::optional<PolicyAnswer> answer = parse_policy_answer(text);
  if (!answer) throw TempError("an answer that makes no sense");
  guard.drop = false;
  return *answer;
}

}  // namespace hato

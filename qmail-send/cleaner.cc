#include "qmail-send/cleaner.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

namespace {
// So many packets' commands may be unanswered; the rest waits here, not in the socket.
constexpr std::size_t unanswered_limit = 4 * clean_batch_limit;
}  // namespace

Cleaner::Cleaner(Fd socket) : socket_(std::move(socket)) {
  set_nonblocking(socket_.get(), true);
  set_cloexec(socket_.get(), true);
}

bool Cleaner::flush() {
  while (!waiting_.empty() && unanswered_.size() < unanswered_limit) {
    const std::size_t n = std::min(waiting_.size(), clean_batch_limit);
    const std::vector<CleanCommand> batch(waiting_.begin(), waiting_.begin() + static_cast<long>(n));
    try {
      if (!send_message(socket_.get(), encode_clean_commands(batch))) return false;
    } catch (const SystemError& e) {
      if (e.error() == EAGAIN || e.error() == ENOBUFS) return true;
      throw;
    }
    unanswered_.insert(unanswered_.end(), batch.begin(), batch.end());
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<long>(n));
  }
  return true;
}

std::vector<Cleaner::Done> Cleaner::answers(bool& gone) {
  static char space[clean_packet_limit];
  ssize_t n;
  do n = recv(socket_.get(), space, sizeof space, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
  std::vector<Done> done;
  const auto answers =
      n > 0 ? decode_clean_answers(std::string_view(space, static_cast<std::size_t>(n))) : std::nullopt;
  if (!answers || answers->size() > unanswered_.size()) {
    gone = true;
    return done;
  }
  for (const CleanAnswer& answer : *answers) {
    done.push_back({unanswered_.front(), answer});
    unanswered_.pop_front();
  }
  return done;
}

}  // namespace hato

// qmail-queue: qmail's interface to the queue. man/qmail-queue.8
//
// Reads a message from fd 0 and its envelope from fd 1, pumps both into the gate and reports by its exit
// code. Not setuid: the gate asks the kernel who is calling.
#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/base/queue_exit.h"
#include "lib/net/gate.h"
#include "lib/net/submit.h"
#include "lib/store/control.h"

namespace hato {
namespace {

constexpr std::int64_t longest_wait = 1'000'000'000;  // seconds: 30 years are as good as for ever
constexpr std::int64_t gate_seconds = 60;             // control/timeoutgate
constexpr std::int64_t answer_seconds = 3600;         // for fsync under load and content services

// Feeds all of fd to `take`; false when it cannot be read.
template <typename Take>
bool pump(int fd, Take take) {
  static char space[32768];
  for (;;) {
    const ssize_t n = read(fd, space, sizeof space);
    if (n == 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (!take(std::string_view(space, static_cast<std::size_t>(n)))) return true;
  }
}

int body(int, char**) {
  ignore_sigpipe();
  Gate gate;
  const std::int64_t patience =
      std::min<std::int64_t>(Control().number("timeoutgate", gate_seconds), longest_wait);
  if (const GateResult refused = gate.connect(gate_path(), Deadline::in_seconds(patience)); !refused.ok())
    return refused.code;
  GateOrigin origin = local_origin();
  // The end of an operator's $QMAILQUEUE chain under qmail-smtpd: the gate believes this from qmaild alone.
  if (const auto qmaild = passwd_user(conf::user_qmaild); qmaild && qmaild->uid == getuid())
    origin.kind = Kind::mx;
  gate.origin(origin);
  if (!pump(0, [&](std::string_view piece) { return gate.message(piece), !gate.refused(); }))
    return static_cast<int>(QueueExit::broken_off);
  gate.end_message();
  gate.envelope_bytes("");  // so that no envelope at all is one that was broken off
  if (!pump(1, [&](std::string_view piece) { return gate.envelope_bytes(piece), !gate.refused(); }))
    return static_cast<int>(QueueExit::broken_off);
  const GateResult result = gate.commit(Deadline::in_seconds(answer_seconds));
  if (result.code == static_cast<int>(QueueExit::custom_text)) tell_queue_text(result.text);
  return result.code;
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  const int code = hato::run_main("qmail-queue", argc, argv, hato::body);
  // Whatever failed here before the gate was reached is the installation's fault.
  return code == 111 || code == 100 ? static_cast<int>(hato::QueueExit::installation) : code;
}

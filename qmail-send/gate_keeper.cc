#include "qmail-send/gate_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/net/gate.h"
#include "qmail-send/lifeline.h"
#include "qmail-send/restart_pause.h"

namespace hato {

namespace {

constexpr std::size_t sockets_list_limit = 16U << 20;  // bytes of /proc/net/unix
constexpr int look_ms = 1000;  // between one look at the gate of somebody else and the next
// One that gave up in its first seconds, as the gate does while control/me is missing, has not come up.
constexpr std::int64_t settled_seconds = 5;
constexpr int longest_pause_seconds = 32;

pid_t start_gate() {
  return fork_child("qmail-start", []() -> int {
    default_signals();
    exec_program({std::string(conf::home) + "/bin/qmail-queued"});
  });
}

// The kernel's list of Unix sockets has a listening one (flags 00010000) by this path, and the path is there.
// Asked first, because a connection that says nothing costs the gate a worker and a line in its log.
bool listed_as_listening(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return false;
  const Fd list = try_open("/proc/net/unix", O_RDONLY);
  if (!list) return false;
  const std::optional<std::string> text = read_all(list.get(), sockets_list_limit, "/proc/net/unix");
  if (!text) return false;
  const std::string end = " " + path + "\n";
  for (std::size_t at = text->find(end); at != std::string::npos; at = text->find(end, at + 1)) {
    const std::size_t begin = text->rfind('\n', at) + 1;
    if (text->substr(begin, at - begin).find(" 00010000 ") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool somebody_listens() {
  const std::string path = gate_path();
  if (listed_as_listening(path)) return true;
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) throw TempError(path + ": too long for a socket");
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw_errno("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  return errno == EAGAIN || errno == EINPROGRESS;
}

void keep_gate(int lifeline) {
  const Lifeline line(lifeline);
  RestartPause pauses(longest_pause_seconds);
  for (int others = 0; others < others_gate_seconds;) {
    if (somebody_listens()) {
      ++others;
      if (line.ended(look_ms)) return;
      continue;
    }
    others = 0;
    const std::int64_t started = now_seconds();
    const pid_t gate = start_gate();
    std::optional<int> status;
    while (!(status = wait_status(gate)))
      if (line.ended(-1)) {
        kill(gate, SIGTERM);
        wait_for_child(gate);
        return;
      }
    const bool gave_up = WIFEXITED(*status) && now_seconds() - started < settled_seconds;
    const int pause = pauses.after(!gave_up);
    log_line(2, "qmail-start: qmail-queued ended with " + wait_status_text(*status) +
                    "; starting it again in " + std::to_string(pause) + " s");
    if (line.ended(pause * 1000)) return;
  }
}

}  // namespace hato

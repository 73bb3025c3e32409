#include "qmail-send/list_server.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/local_socket.h"
#include "lib/net/queue_list.h"

namespace hato {

namespace {

constexpr std::size_t accepts_per_round = 16;
constexpr unsigned grace_seconds = 20;  // qmail-qread ends by itself before it is killed

void refuse(const Fd& reader, const char* why) {
  const std::string end = encode_list_end(why);
  [[maybe_unused]] const ssize_t sent =
      send(reader.get(), end.data(), end.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

void ListServer::listen(const std::string& path) {
  listening_ = listen_local(path, SOCK_STREAM, 0666);
}

void ListServer::take() {
  for (std::size_t n = 0; listening_ && n < accepts_per_round; ++n) {
    const Fd reader(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!reader) return;
    try {
      serve(reader);
    } catch (const Error&) {
      refuse(reader, "the system is short of something; try again later");
    }
  }
}

void ListServer::serve(const Fd& reader) {
  const uid_t uid = peer_of(reader.get()).uid;
  if (lists_of(uid) >= lists_of_a_user) return refuse(reader, "your last lists have not ended yet");
  if (running_.size() >= lists_at_once) return refuse(reader, "too many ask for it; try again soon");
  Program program;
  program.path = std::string(conf::home) + "/bin/qmail-qread";
  program.args = {"qmail-qread", "--for", std::to_string(uid)};
  program.out = reader.get();
  program.alarm_seconds = static_cast<unsigned>(list_seconds) + grace_seconds;
  StartNote note = notes_.take();
  const pid_t pid = start_program(program, note);
  if (pid < 0) throw_errno("fork");
  running_.push_back({pid, uid, std::move(note)});
}

std::size_t ListServer::lists_of(uid_t uid) const {
  return static_cast<std::size_t>(
      std::count_if(running_.begin(), running_.end(), [uid](const Running& one) { return one.uid == uid; }));
}

std::string ListServer::ended(pid_t pid) {
  const auto one = std::find_if(running_.begin(), running_.end(),
                                [pid](const Running& running) { return running.pid == pid; });
  if (one == running_.end()) return "";
  std::string trouble;
  if (one->note.error() != 0)
    trouble = "unable to start qmail-qread for mailq: " + std::string(one->note.step()) + ": " +
              errno_text(one->note.error());
  running_.erase(one);
  return trouble;
}

}  // namespace hato

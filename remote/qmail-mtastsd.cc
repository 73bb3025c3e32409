// qmail-mtastsd: knows the MTA-STS policies of domains. man/qmail-mtastsd.8
//
// Three kinds of process, none of which can do what the others do. The keeper answers questions and writes
// the cache; it has no network. The starter has the network and no files, and forks a process for each fetch,
// which cannot even fork. The supervisor (here) hears nobody; it starts the other two again when one dies.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/local_socket.h"
#include "lib/base/log.h"
#include "lib/base/privilege.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/base/service_life.h"
#include "lib/store/control.h"
#include "remote/policy_fetch.h"
#include "remote/policy_keeper.h"
#include "remote/sts_question.h"

namespace hato {
namespace {

constexpr unsigned fetch_alarm_seconds = sts_fetch_seconds + 60;  // for one whose deadlines did not work

struct Place {
  Fd listening;
  Fd cache;                // the directory
  std::string cache_path;  // as seen after Privilege::give_up
  ResolverConfig resolver;
  TrustStore trust;
};

// Everything that needs a name is opened here.
Place take_place() {
  Privilege privilege(conf::user_qmailr);
  const Control control;
  const std::string cache_path = std::string(conf::home) + "/mtasts/cache";
  Place place{listen_local(sts_socket_path(), SOCK_SEQPACKET, 0600),
              open_file(cache_path, O_RDONLY | O_DIRECTORY), cache_path, ResolverConfig::configured(control),
              TrustStore({control.path("tlsca"), TrustStore::system_bundle})};
  if (!place.trust.present()) log_line(2, "mtasts: no certificates of authorities: no policy can be fetched");
  if (privilege.give_up(cache_path)) place.cache_path = "/";
  return place;
}

int keep(const Place& place, int starter) {
  seal(seal_profile::keeper, {{place.cache_path, true}});
  PolicyKeeper(place.listening.get(), starter, PolicyCache(Fd(dup(place.cache.get())))).run();
  return 0;
}

int fetch(const PolicyQuestion& question, int out, const Place& place) {
  alarm(fetch_alarm_seconds);
  seal(seal_profile::remote);
  const PolicyFinding finding =
      fetch_policy(question, Resolver(place.resolver), place.trust, Deadline::in_seconds(sts_fetch_seconds));
  write_all(out, finding.packet(), "finding");
  return 0;
}

// Until the keeper is gone.
int start_fetches(const Place& place, int keeper) {
  seal(seal_profile::starter);
  const pid_t self = getpid();
  std::size_t running = 0;
  for (;;) {
    std::optional<Message> request = receive_message(keeper, max_sts_question * 2);
    if (!request || request->data.empty()) return 0;
    const std::optional<PolicyQuestion> question = PolicyQuestion::parse(request->data);
    if (!question || request->fd_count != 1) throw TempError("a question that is none");
    // One that has ended may not have been waited for yet.
    for (int status; running > 0 && waitpid(-1, &status, running < max_sts_fetches ? WNOHANG : 0) > 0;)
      --running;
    fork_child("qmail-mtastsd", [&]() -> int {
      if (!die_with_parent(self)) return 0;
      return fetch(*question, request->fds[0].get(), place);
    });
    ++running;
  }
}

void supervise(const Place& place, ServiceLife& life) {
  FdPair line = make_socketpair(SOCK_SEQPACKET);
  const pid_t self = getpid();
  const auto child = [&](const auto& body) {
    return fork_child("qmail-mtastsd", [&]() -> int {
      if (!die_with_parent(self)) return 0;
      default_signals();
      ignore_sigpipe();
      return body();
    });
  };
  pid_t left[2];
  left[0] = child([&] {
    line.first.reset();
    return start_fetches(place, line.second.get());
  });
  left[1] = child([&] {
    line.second.reset();
    return keep(place, line.first.get());
  });
  line = FdPair();
  int status = 0;
  pid_t ended = 0;
  std::vector<pollfd> nobody;
  while (ended == 0 && life.wait(nobody, -1)) ended = waitpid(-1, &status, WNOHANG);
  const pid_t reaped = ended;
  for (const pid_t pid : left) {
    if (pid == reaped) continue;
    kill(pid, SIGKILL);  // nothing is half: the cache's files are renamed into place
    const int its_status = wait_for_child(pid);
    // One that ended by itself did so because the other one was gone, whom we only see now.
    if (reaped == 0 || status != 0) continue;
    ended = pid;
    status = its_status;
  }
  if (life.over()) return;
  log_line(2, std::string("mtasts: the ") + (ended == left[0] ? "starter" : "keeper") +
                  " ended with wait status " + std::to_string(status) + "; starting again");
  life.wait(nobody, 1000);
}

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-mtastsd (no arguments; see qmail-mtastsd(8))");
  ensure_standard_fds();
  ignore_sigpipe();
  ServiceLife life;
  const Place place = take_place();
  while (!life.over()) supervise(place, life);
  return 0;
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("qmail-mtastsd", argc, argv, hato::body);
}

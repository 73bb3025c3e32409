#include "qmail-send/service_keeper.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "qmail-send/lifeline.h"
#include "qmail-send/restart_pause.h"

namespace hato {

namespace {

constexpr std::array<std::string_view, 4> all_services{"qmail-authd", "qmail-dotd", "qmail-mtastsd",
                                                       "qmail-rcptd"};

struct Service {
  std::string name;
  pid_t pid = -1;  // -1: not running
  RestartPause pauses{longest_service_pause};
  std::int64_t started = 0;
  Deadline start_at = Deadline::in_seconds(0);
};

void start(Service& service, int lifeline) {
  service.pid = fork_child("qmail-start", [&]() -> int {
    if (dup2(lifeline, 0) < 0) throw_errno("dup2");
    close_from(3);
    default_signals();
    exec_program({std::string(conf::home) + "/bin/" + service.name});
  });
  service.started = now_seconds();
}

void look_after(Service& service, int lifeline) {
  if (service.pid < 0) {
    if (service.start_at.passed()) start(service, lifeline);
    return;
  }
  const std::optional<int> status = wait_status(service.pid);
  if (!status) return;
  service.pid = -1;
  const int pause = service.pauses.after(now_seconds() - service.started >= service_settled_seconds);
  log_line(2, "qmail-start: " + service.name + " ended with " + wait_status_text(*status) +
                  "; starting it again in " + std::to_string(pause) + " s");
  service.start_at = Deadline::in_seconds(pause);
}

int next_start_ms(const std::vector<Service>& services) {
  int ms = -1;
  for (const Service& service : services)
    if (service.pid < 0) {
      const int left = service.start_at.poll_ms();
      if (ms < 0 || left < ms) ms = left;
    }
  return ms;
}

}  // namespace

Services wanted_services(const Control& control) {
  Services services;
  const auto add = [&](const std::string& name) {
    const bool known = std::find(all_services.begin(), all_services.end(), name) != all_services.end();
    std::vector<std::string>& list = known ? services.known : services.unknown;
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  for (const std::string& name : control.lines("services").value_or(std::vector<std::string>())) add(name);
  if (control.number("mtasts", 0) != 0) add("qmail-mtastsd");
  return services;
}

void keep_services(int lifeline, const std::vector<std::string>& names) {
  const Lifeline line(lifeline);
  std::vector<Service> services;
  for (const std::string& name : names) services.emplace_back().name = name;
  do {
    for (Service& service : services) look_after(service, lifeline);
  } while (!line.ended(next_start_ms(services)));
  for (const Service& service : services)
    if (service.pid >= 0) kill(service.pid, SIGTERM);
  for (const Service& service : services)
    if (service.pid >= 0) wait_for_child(service.pid);
}

}  // namespace hato

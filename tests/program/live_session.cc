#include "tests/program/live_session.h"

#include <stdlib.h>

#include <utility>

#include "lib/base/io.h"
#include "tests/program/proc.h"

namespace hato::test {

Env with(Env env, const Env& more) {
  for (const auto& [name, value] : more) env[name] = value;
  return env;
}

LiveSession::LiveSession(const std::string& program, const Env& env, bool log_is_client) {
  FdPair pair = make_socketpair(SOCK_STREAM);
  log_ = make_pipe();
  Start start;
  start.args = {installed(program)};
  start.env = env;
  start.fds = {{0, pair.second.get()},
               {1, pair.second.get()},
               {2, log_is_client ? pair.second.get() : log_.second.get()}};
  process_ = std::make_unique<Process>(start);
  log_.second.reset();
  client_ = std::move(pair.first);
}

void LiveSession::send(std::string_view octets) const {
  write_all(client_.get(), octets, "session");
}

long LiveSession::peak_kib() const {
  return atol(status_field(pid(), "VmHWM").c_str());
}

}  // namespace hato::test

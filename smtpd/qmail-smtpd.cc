// qmail-smtpd: one SMTP session on descriptors 0 and 1.
#include <memory>
#include <new>
#include <optional>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/privilege.h"
#include "lib/base/process.h"
#include "lib/net/send_channel.h"
#include "lib/net/server_queue.h"
#include "smtpd/connection.h"
#include "smtpd/session.h"
#include "smtpd/settings.h"

using namespace hato;
using namespace hato::smtpd;

namespace {

constexpr const char* program_name = "qmail-smtpd";

constexpr std::int64_t flush_seconds = 10;  // qmail-send answers within 4

// ETRN. The gate's directory is the root of this process when it came as root.
SendAnswer ask_for_flush(const std::string& domain, const std::string& client_ip) {
  SendChannel channel;
  if (!channel.connect("/send/s") && !channel.connect(send_socket_path()))
    throw_errno("connect to qmail-send");
  SendRequest request;
  request.verb = RequestVerb::flush;
  request.domain = domain;
  request.address = client_ip;
  return channel.ask({request}, flush_seconds).at(0);
}

int smtpd_body(int, char**) {
  ensure_standard_fds();
  ignore_sigpipe();
  const bool logging = has_log();
  const auto journal = [&](std::string_view line) {
    if (logging) log_line(2, std::string(program_name) + ": " + std::string(line));
  };

  Settings settings;
  std::unique_ptr<ServerQueue> queue;
  std::optional<PolicyDesk> policy;
  try {
    Privilege privilege(conf::user_qmaild);
    settings = read_settings(Control());
    if (!settings.policy_servers.empty()) {
      policy.emplace(settings.policy_servers, settings.policy_fail_goes_on,
                     privilege.confines() ? gate_directory() : "");
      for (std::string& failure : policy->connect_those_outside())
        settings.complaints.push_back(std::move(failure));
    }
    queue = open_queue_and_seal(program_name, privilege, logging);
  } catch (const std::bad_alloc&) {
    turn_away(1, Replies().line(Reply::no_memory));
    return 1;
  } catch (const Error& e) {
    journal(e.text());
    turn_away(1, Replies().line(Reply::no_controls));
    return 1;
  }
  for (const std::string& complaint : settings.complaints) journal(complaint);
  Session session(settings, *queue, journal);
  session.flush_by(ask_for_flush);
  if (policy)
    session.policy_by([&](PolicyState state, bool submission, const std::string& attributes) {
      return policy->ask(state, submission, attributes);
    });
  return converse(0, 1, session, settings);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(program_name, argc, argv, smtpd_body);
}

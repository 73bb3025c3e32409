// qmail-qmtpc: sends one message to one or more recipients at a remote host by QMTP. qmail-qmtpc(8).
//
//   qmail-qmtpc host sender recip [recip ...]     message on descriptor 0, reports on descriptor 1
#include <memory>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/store/control.h"
#include "lib/store/tcpto.h"
#include "lib/store/unnamed_file.h"
#include "remote/delivery.h"

namespace {

using namespace hato;

constexpr int message_fd = 0;
constexpr int report_fd = 1;

// As for qmail-remote; but only a route with the word qmtp counts, and without one the mail exchangers are
// asked on QMTP's port.
RemoteSettings read_settings(const Control& control, const std::string& host) {
  RemoteSettings settings = RemoteSettings::read(control, host);
  if (settings.route && settings.route->qmtp) return settings;
  settings.route.emplace();
  settings.route->qmtp = true;
  settings.route->port = qmtp_port;
  if (settings.resolver.servers.empty()) settings.resolver = ResolverConfig::configured(control);
  return settings;
}

void run(const std::string& host, const RemoteEnvelope& envelope, Report& report) {
  drop_root_to(conf::user_qmailr);
  const RemoteSettings settings = read_settings(Control(), host);
  const SourceAddresses sources = settings.sources_for(envelope.sender);
  const OwnAddresses own = OwnAddresses::of_this_host();
  Tcpto tcpto(conf::home);
  const Fd copy = seekable_copy(message_fd);
  OutgoingMessage message(copy ? copy.get() : message_fd);
  seal(seal_profile::remote);

  const Resolver resolver(settings.resolver);
  const std::string& relay = settings.route->relay;
  const auto look_up = [&] {
    return relay.empty() ? Exchangers::of_domain(host, resolver, &own)
                         : Exchangers::of_relay(relay, resolver);
  };
  std::unique_ptr<Session> none;
  Delivery(settings, sources, nullptr, nullptr, tcpto, message, envelope, false).run(none, look_up, report);
}

int body(int argc, char** argv) {
  ensure_standard_fds();
  ignore_sigpipe();
  Report report;
  if (argc < 4) {
    report.message('D', "I (qmail-qmtpc) was invoked improperly. (#5.3.5)\n");
  } else {
    report_what_fails(report, [&] {
      RemoteEnvelope envelope;
      envelope.sender = argv[2];
      envelope.recipients.assign(argv + 3, argv + argc);
      run(argv[1], envelope, report);
    });
  }
  report.write_to(report_fd);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qmtpc", argc, argv, body);
}

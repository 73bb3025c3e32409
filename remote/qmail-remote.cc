// qmail-remote: sends one message to one or more recipients at a remote host by SMTP. qmail-remote(8).
//
//   qmail-remote host sender recip [recip ...]     message on descriptor 0, reports on descriptor 1
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/store/control.h"
#include "lib/store/tcpto.h"
#include "remote/delivery.h"

namespace {

using namespace hato;

constexpr int message_fd = 0;
constexpr int report_fd = 1;

void deliver(const std::string& host, const Envelope& envelope, Report& report) {
  drop_root_to(conf::user_qmailr);
  const RemoteSettings settings = RemoteSettings::read(Control(), host);
  const bool routed = settings.route.has_value();
  const OwnAddresses own = routed ? OwnAddresses({}) : OwnAddresses::of_this_host();
  Tcpto tcpto(conf::home);
  OutgoingMessage message(message_fd);
  seal(seal_profile::remote);

  const Resolver resolver(settings.resolver);
  const bool relayed = routed && !settings.route->relay.empty();
  Exchangers exchangers = relayed ? Exchangers::of_relay(settings.route->relay, resolver)
                                  : Exchangers::of_domain(host, resolver, routed ? nullptr : &own);
  Delivery(settings, tcpto, message, envelope).run(exchangers, report);
}

int body(int argc, char** argv) {
  Report report;
  if (argc < 4) {
    report.message('D', "I (qmail-remote) was invoked improperly. (#5.3.5)\n");
  } else {
    try {
      deliver(argv[1], Envelope{argv[2], {argv + 3, argv + argc}}, report);
    } catch (const Error& e) {
      report.message('Z', "System resources temporarily unavailable. (#4.3.0)\n" + e.text() + ".\n");
    } catch (const std::bad_alloc&) {
      report.message('Z', "Out of memory. (#4.3.0)\n");
    }
  }
  report.write_to(report_fd);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-remote", argc, argv, body);
}

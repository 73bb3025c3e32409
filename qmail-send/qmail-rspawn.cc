// qmail-rspawn: starts remote deliveries for qmail-send, whose socket is fd 0. Runs as qmailr. man
// qmail-rspawn.
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/store/tcpto.h"
#include "qmail-send/delivery_report.h"
#include "qmail-send/spawner.h"

using namespace hato;

namespace {

class RemoteDeliverer : public Deliverer {
 public:
  Next begin(const DeliveryRequest& request) override {
    std::string local, domain;
    if (!split_address(request.recipient, local, domain))
      return Verdict{'D', "Sorry, address must include host name. (#5.1.3)\n"};
    Run run;
    run.name = "qmail-remote";
    run.program.path = std::string(conf::home) + "/bin/qmail-remote";
    run.program.args = {"qmail-remote", domain, request.sender, request.recipient};
    run.program.env = delivery_environment(request);
    return run;
  }

  Next ended(const DeliveryRequest&, const Ended& ended) override {
    return digest_remote(ended.status, ended.output);
  }
};

// As qmail's does: whoever restarts delivery wants everything tried again.
void forget_dead_hosts() {
  try {
    Tcpto table(conf::home);
    if (table.usable()) table.clear();
  } catch (const SystemError& e) {
    log_line(2, "warning: " + e.text());
  }
}

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-rspawn (with qmail-send's socket on fd 0)");
  ensure_standard_fds();
  close_from(3);
  if (chdir(conf::home) != 0) throw_errno(std::string("chdir ") + conf::home);
  drop_root_to(conf::user_qmailr);

  forget_dead_hosts();
  RemoteDeliverer deliverer;
  serve_deliveries(0, deliverer);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-rspawn", argc, argv, body);
}

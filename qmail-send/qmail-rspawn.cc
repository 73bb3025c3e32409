// qmail-rspawn: starts remote deliveries for qmail-send, whose socket is fd 0. Runs as qmailr. man
// qmail-rspawn.
#include <unistd.h>

#include <optional>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/net/next_hop.h"
#include "lib/store/tcpto.h"
#include "qmail-send/delivery_report.h"
#include "qmail-send/reuse.h"
#include "qmail-send/spawner.h"

using namespace hato;

namespace {

constexpr std::size_t most_idle = 100;  // agents

// Which qmail-remote may be kept for what: those that would speak to the next host in the same way.
class RemoteAgents {
 public:
  AgentTerms terms(const DeliveryRequest& request, const std::string& domain) {
    const std::int64_t now = now_seconds();
    AgentTerms terms;
    terms.key = hops_.connection_key(request.sender, domain, now);
    if (terms.key.empty()) return terms;
    if (generation_ != hops_.generation()) {
      generation_ = hops_.generation();
      reuse_ = control_reuse(control_, "reuseremote");
      seen_.clear();
    }
    terms.messages = reuse_.messages;
    terms.seconds = reuse_.seconds;
    terms.idle = reuse_.idle;
    terms.keep = request.more || seen_.ask(terms.key, now, reuse_.idle);
    return terms;
  }

 private:
  Control control_;
  NextHops hops_{control_};
  Reuse reuse_;
  std::uint64_t generation_ = 0;
  SeenLately seen_;
};

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
    run.agent = agents_.terms(request, domain);
    return run;
  }

  Next ended(const DeliveryRequest&, const Ended& ended) override {
    Verdict verdict = digest_remote(ended.status, ended.output);
    verdict.host = ended.host;
    return verdict;
  }

 private:
  RemoteAgents agents_;
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
  serve_deliveries(0, deliverer, most_idle);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-rspawn", argc, argv, body);
}

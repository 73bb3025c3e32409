// qmail-lspawn DEFAULTDELIVERY: starts local deliveries for qmail-send, whose socket is fd 0. Root. man
// qmail-lspawn.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/store/control.h"
#include "lib/store/recipients.h"
#include "qmail-send/delivery_report.h"
#include "qmail-send/getpw.h"
#include "qmail-send/reuse.h"
#include "qmail-send/spawner.h"

using namespace hato;

namespace {

// What qmail-getpw may use: it puts a name from the network before NSS modules that are not ours.
constexpr rlim_t getpw_cpu_seconds = 10;
constexpr rlim_t getpw_memory = 512U << 20;
constexpr unsigned getpw_seconds = 60;

// What one local delivery gets, by the clock: a home on a file system that hangs must not keep a place for
// ever.
constexpr std::int64_t delivery_seconds = 14400, most_delivery_seconds = 30 * 86400;

constexpr std::size_t most_idle = 50;  // agents, of all users together

constexpr char local_name[] = "qmail-local";
constexpr char getpw_name[] = "qmail-getpw";

std::string in_bin(const char* program) {
  return std::string(conf::home) + "/bin/" + program;
}

class LocalDeliverer : public Deliverer {
 public:
  LocalDeliverer(std::string default_delivery, Identity getpw_identity, std::chrono::seconds life,
                 Reuse reuse)
      : default_delivery_(std::move(default_delivery)),
        getpw_identity_(getpw_identity),
        life_(life),
        reuse_(reuse) {}

  Next begin(const DeliveryRequest& request) override {
    std::string local, domain;
    if (!split_address(request.recipient, local, domain))
      return Verdict{'D', "Sorry, address must include host name. (#5.1.3)\n"};
    if (local.empty()) return Verdict{'K', ""};  // the null address: nothing to do
    const std::optional<Resolution> found = find(local, domain);
    if (!found) return trouble();
    if (const AskGetpw* ask = std::get_if<AskGetpw>(&*found)) return ask_getpw(ask->local);
    return deliver(request, *found);
  }

  Next ended(const DeliveryRequest& request, const Ended& ended) override {
    if (ended.name == local_name) return digest_local(ended.status, ended.output);
    if (!WIFEXITED(ended.status) || WEXITSTATUS(ended.status) != 0) return digest_getpw_failure(ended.status);
    const std::optional<Assignment> answer = parse_assignment(ended.output);
    if (!answer) return Verdict{'Z', "qmail-getpw's answer is unintelligible. (#4.3.0)\n"};
    std::string local, domain;
    split_address(request.recipient, local, domain);
    const std::optional<Resolution> found = find(local, domain);  // a new account may be there by now
    if (!found) return trouble();
    const AskGetpw* asked = std::get_if<AskGetpw>(&*found);
    return deliver(request, asked != nullptr ? recipients_.answered(*asked, *answer) : *found);
  }

 private:
  // nullopt: a table cannot be read.
  std::optional<Resolution> find(const std::string& local, const std::string& domain) {
    try {
      return recipients_.find(local, domain);
    } catch (const TempError& e) {
      log_line(2, "alert: " + e.text());
      return std::nullopt;
    }
  }

  static Verdict trouble() { return {'Z', "Trouble reading users/cdb in qmail-lspawn.\n"}; }

  Next ask_getpw(const std::string& local) {
    Run run;
    run.name = getpw_name;
    run.program.path = in_bin(getpw_name);
    run.program.args = {getpw_name, local};
    run.program.identity = getpw_identity_;
    run.program.limits = {{RLIMIT_CPU, getpw_cpu_seconds}, {RLIMIT_FSIZE, 0}, {RLIMIT_CORE, 0}};
#ifndef __SANITIZE_ADDRESS__  // which reserves terabytes of address space
    run.program.limits.push_back({RLIMIT_AS, getpw_memory});
#endif
    run.program.alarm_seconds = getpw_seconds;
    run.takes_message = false;
    run.errors_to_output = false;
    run.output_limit = getpw_answer_limit;
    return run;
  }

  Next deliver(const DeliveryRequest& request, const Resolution& found) {
    const LocalUser* user = std::get_if<LocalUser>(&found);
    if (user == nullptr) return Verdict{'D', "Sorry, no mailbox here by that name. (#5.1.1)\n"};
    const Assignment& to = user->to;
    if (to.uid == 0) return Verdict{'Z', "Not allowed to perform deliveries as root.\n"};
    std::string local, domain;
    split_address(request.recipient, local, domain);
    Run run;
    run.name = local_name;
    run.program.path = in_bin(local_name);
    const std::string default_delivery = default_delivery_of(*user, default_delivery_);
    run.program.args = {local_name, "--",   to.user, to.home,        local,
                        to.dash,    to.ext, domain,  request.sender, default_delivery};
    run.program.env = delivery_environment(request);
    if (const std::string account = account_variable_of(*user, default_delivery_); !account.empty())
      run.program.env.push_back(std::string(account_variable) + "=" + account);
    run.program.identity = Identity{to.uid, to.gid};
    run.life = life_;
    run.agent = agent_terms(request, to);
    return run;
  }

  // One that was started for this very user may deliver further messages for him. Most users get a message
  // now and then: only for one who got another just now, or has more waiting, an agent is worth its memory.
  AgentTerms agent_terms(const DeliveryRequest& request, const Assignment& to) {
    AgentTerms terms;
    if (reuse_.messages < 2) return terms;
    std::string key = to.user + '\0' + to.home + '\0' + std::to_string(to.uid) + ':' + std::to_string(to.gid);
    const bool seen = seen_.ask(key, now_seconds(), reuse_.idle);
    if (!seen && !request.more) return terms;
    terms.key = std::move(key);
    terms.keep = true;
    terms.messages = reuse_.messages;
    terms.seconds = reuse_.seconds;
    terms.idle = reuse_.idle;
    return terms;
  }

  const std::string default_delivery_;
  const Identity getpw_identity_;
  const std::chrono::seconds life_;
  const Reuse reuse_;
  SeenLately seen_;
  Recipients recipients_;
};

int body(int argc, char** argv) {
  if (argc != 2) throw PermError("usage: qmail-lspawn defaultdelivery (with qmail-send's socket on fd 0)");
  if (geteuid() != 0) throw TempError("must be started as root, to deliver as each user");
  ensure_standard_fds();
  close_from(3);
  unset_env(account_variable);  // deliveries have their own
  if (chdir(conf::home) != 0) throw_errno(std::string("chdir ") + conf::home);
  const std::optional<User> getpw_user = passwd_user(conf::user_qmailp);
  if (!getpw_user) throw TempError(std::string("user ") + conf::user_qmailp + " does not exist");

  const Control control;
  const std::int64_t seconds =
      std::clamp<std::int64_t>(control.number("timeoutlocal", delivery_seconds), 1, most_delivery_seconds);
  LocalDeliverer deliverer(argv[1], {getpw_user->uid, getpw_user->gid}, std::chrono::seconds(seconds),
                           control_reuse(control, "reuselocal"));
  serve_deliveries(0, deliverer, most_idle);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-lspawn", argc, argv, body);
}

// qmail-flush HOST ...: sends what waits for these hosts now. qmail-flush(8).
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/net/dns.h"
#include "lib/net/send_channel.h"
#include "lib/net/smtproutes.h"
#include "lib/store/control.h"
#include "lib/store/tcpto.h"
#include "remote/exchangers.h"

namespace {

using namespace hato;

constexpr const char* name = "qmail-flush";
constexpr std::int64_t answer_seconds = 30;           // qmail-send answers a flush within 4
constexpr std::chrono::milliseconds dns_limit{5000};  // for one look-up
constexpr std::size_t most_addresses = 200;

std::string without_line_end(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Takes out of the table of dead hosts a host's addresses: what qmail-remote would connect to for it.
void forget_failures(const std::string& host, const std::vector<std::string>& routes,
                     const Resolver& resolver, Tcpto& table) {
  const std::optional<SmtpRoute> route = find_smtp_route(routes, host);
  const bool relayed = route && !route->relay.empty();
  Exchangers exchangers =
      relayed ? Exchangers::of_relay(route->relay, resolver) : Exchangers::of_domain(host, resolver, nullptr);
  const std::uint16_t port = route ? route->port : smtp_port;
  std::size_t n = 0;
  while (const std::optional<Target> target = exchangers.next()) {
    table.dead(target->address, port, now_seconds(), 0);
    table.answered(target->address, port);
    if (++n == most_addresses) break;
  }
  if (n == 0)
    log_line(2, std::string(name) + ": " + host + ": its entries in the table of dead hosts stay: " +
                    without_line_end(exchangers.why_none().text));
}

// As qmailr, sealed, in a process of its own: it reads what DNS says.
void clear_table(const std::vector<std::string>& domains) {
  const pid_t child = fork_child(name, [&]() -> int {
    drop_root_to(conf::user_qmailr);
    Tcpto table(conf::home);
    if (!table.usable()) return 0;  // there is none
    const Control control;
    const std::vector<std::string> routes = control.lines("smtproutes").value_or(std::vector<std::string>());
    ResolverConfig config = ResolverConfig::configured(control);
    config.limit = std::min(config.limit, dns_limit);
    seal(seal_profile::remote);
    const Resolver resolver(config);
    for (const std::string& domain : domains)
      if (!domain.starts_with('.')) forget_failures(domain, routes, resolver, table);
    return 0;
  });
  wait_for_child(child);
}

std::vector<SendRequest> requests_for(const std::vector<std::string>& domains) {
  std::vector<SendRequest> requests;
  for (const std::string& domain : domains) {
    SendRequest request;
    request.verb = RequestVerb::flush;
    request.domain = domain;
    requests.push_back(request);
  }
  return requests;
}

std::string said(const std::string& domain, const SendAnswer& answer) {
  const std::string n = std::to_string(answer.number) + (answer.number == 1 ? " message" : " messages");
  switch (answer.outcome) {
    case RequestOutcome::done:
      return domain + ": " + n + " being tried now\n";
    case RequestOutcome::begun:
      return domain + ": " + n + " being tried now, still looking\n";
    default:
      return domain + ": " + answer.text + "\n";
  }
}

int body(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') throw PermError("usage: qmail-flush host ...");
  std::vector<std::string> domains;
  for (int i = 1; i < argc; ++i) {
    const std::optional<std::string> domain = flush_domain(argv[i]);
    if (!domain)
      throw PermError(std::string(argv[i]) +
                      ": no host's name; write example.org, or .example.org for all below it, too");
    domains.push_back(*domain);
  }
  SendChannel send;
  if (!send.connect(send_socket_path())) {
    if (errno == EACCES || errno == EPERM) throw TempError("run this as root");
    throw TempError("qmail-send is not running: " + errno_text(errno));
  }
  if (geteuid() == 0) {
    clear_table(domains);
    drop_root_to(conf::user_qmails);
  }
  bool failed = false;
  std::string text;
  const std::vector<SendAnswer> answers = send.ask(requests_for(domains), answer_seconds);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool ok = answers[i].outcome == RequestOutcome::done || answers[i].outcome == RequestOutcome::begun;
    if (!ok) failed = true;
    text += said(domains[i], answers[i]);
  }
  write_all(1, text, "standard output");
  return failed ? 111 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(name, argc, argv, body);
}

// qmail-flush HOST ...: sends what waits for these hosts now. qmail-flush(8).
#include <errno.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "lib/net/send_channel.h"

namespace {

using namespace hato;

constexpr const char* name = "qmail-flush";
constexpr std::int64_t answer_seconds = 30;  // qmail-send answers a flush within 4

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
  if (geteuid() == 0) drop_root_to(conf::user_qmails);
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

// qmail-remote: sends one message to one or more recipients at a remote host by SMTP. qmail-remote(8).
//
//   qmail-remote host sender recip [recip ...]     message on descriptor 0, reports on descriptor 1
//
// Started by qmail-rspawn it may be an agent (lib/base/agent.h): it stays, sealed, with its connection, and
// is given further messages for the same next hop.
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <vector>

#include "lib/base/agent.h"
#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/mail/domain.h"
#include "lib/mail/dsn.h"
#include "lib/store/control.h"
#include "lib/store/tcpto.h"
#include "lib/store/unnamed_file.h"
#include "remote/delivery.h"
#include "remote/sts_question.h"

namespace {

using namespace hato;

constexpr int message_fd = 0;
constexpr int report_fd = 1;
constexpr int error_fd = 2;

// The words of MAIL that came with the message, as qmail-rspawn(8) hands them on.
bool has_parameter(std::string_view words, std::string_view wanted) {
  while (!words.empty()) {
    const std::size_t blank = words.find(' ');
    if (equal_ignoring_case(words.substr(0, blank), wanted)) return true;
    words.remove_prefix(blank == words.npos ? words.size() : blank + 1);
  }
  return false;
}

// A message to send: what the arguments and the environment say.
struct Task {
  std::string host;
  RemoteEnvelope envelope;
};

// args: host, sender, recipients. nullopt: too few.
std::optional<Task> task_of(const std::vector<std::string>& args) {
  if (args.size() < 3) return std::nullopt;
  const std::string message_params = env_or(env_message_params, "");
  RemoteEnvelope envelope;
  envelope.sender = args[1];
  envelope.recipients.assign(args.begin() + 2, args.end());
  envelope.smtputf8 = has_parameter(message_params, "SMTPUTF8");
  envelope.dsn = dsn_words(message_dsn(message_params));
  envelope.try_dead = env(env_try_dead).has_value();
  envelope.recipient_dsn = dsn_words(recipient_dsn(env_or(env_recipient_params, "")));
  return Task{args[0], std::move(envelope)};
}

// Sends messages to one next hop, from one place, through one connection where it can. What decides about
// either is equal for all of them: qmail-rspawn sees to that (lib/net/next_hop.h).
class Sender {
 public:
  // login: null: none.
  Sender(const RemoteSettings& settings, const SourceAddresses& sources, const SmtpLogin* login)
      : settings_(settings),
        sources_(sources),
        login_(login),
        routed_(settings.route.has_value()),
        own_(routed_ ? OwnAddresses() : OwnAddresses::of_this_host()),
        tcpto_(conf::home),
        resolver_(settings.resolver) {}

  HostSays send(const Task& task, OutgoingMessage& message, bool keep, Report& report) {
    std::optional<DaneDemands> dane;
    if (settings_.tls.ask_dns) dane.emplace(resolver_, settings_.route ? settings_.route->port : smtp_port);
    Delivery delivery(settings_, sources_, login_, dane ? &*dane : nullptr, tcpto_, message, task.envelope,
                      keep);
    delivery.run(
        session_, [&] { return exchangers(task.host); }, report);
    return delivery.host();
  }
  bool connected() const { return session_ != nullptr; }
  void quit() {
    if (session_) session_->end();
  }

 private:
  Exchangers exchangers(const std::string& host) const {
    const bool relayed = routed_ && !settings_.route->relay.empty();
    return relayed ? Exchangers::of_relay(settings_.route->relay, resolver_)
                   : Exchangers::of_domain(host, resolver_, routed_ ? nullptr : &own_);
  }

  const RemoteSettings& settings_;
  const SourceAddresses& sources_;
  const SmtpLogin* const login_;
  const bool routed_;
  const OwnAddresses own_;
  Tcpto tcpto_;
  const Resolver resolver_;
  std::unique_ptr<Session> session_;
};

// True when SMTP cannot say its addresses, which is reported.
bool unsendable(const Task& task, Report& report) {
  const std::optional<std::string> bad = unsendable_address(task.envelope);
  if (bad)
    report.message('D', "Sorry, SMTP has no way to say the address " + printable(*bad) + ". (#5.1.3)\n");
  return bad.has_value();
}

// One message of an agent after its first. False: it is to end.
bool serve(Sender& sender, AgentSeat& seat) {
  std::optional<AgentSeat::Job> job = seat.next();
  if (!job) return false;
  const std::optional<Task> task = task_of(job->args);
  if (!task) return false;
  const bool keep = seat.more();
  Report report;
  HostSays host = HostSays::nothing;
  report_what_fails(report, [&] {
    OutgoingMessage message(job->message.get());
    if (!unsendable(*task, report)) host = sender.send(*task, message, keep, report);
  });
  job->message.reset();  // its lock says that a delivery is under way
  const bool stays = keep && sender.connected();
  return seat.report({stays, host, 0, std::string(report.bytes())}) && stays;
}

// The message that we were started for, and, as an agent, those that come after it.
void run(const Task& task, std::optional<AgentSeat>& seat, Report& report) {
  if (unsendable(task, report)) return;
  drop_root_to(conf::user_qmailr);
  std::optional<RemoteSettings> settings;
  SourceAddresses sources;
  std::optional<SmtpLogin> login;
  try {
    const Control control;
    settings = RemoteSettings::read(control, task.host);
    sources = settings->sources_for(task.envelope.sender);
    login = settings->login_for(control, task.envelope.sender);
  } catch (const Error& e) {
    return report_trouble(report, "Unable to read control files. (#4.3.0)", e);
  }
  Sender sender(*settings, sources, login ? &*login : nullptr);
  // QMTP wants the size in front; what comes by a pipe is copied first.
  const Fd copy = settings->route && settings->route->qmtp ? seekable_copy(message_fd) : Fd();
  std::optional<OutgoingMessage> message(std::in_place, copy ? copy.get() : message_fd);
  const StsQuestion policy =
      settings->tls.ask_domain ? StsQuestion::connect(sts_socket_path()) : StsQuestion::nobody();
  seal(seal_profile::remote);
  settings->tls.take_policy(policy.ask(canonical_domain(task.host)));

  const bool keep = seat && seat->more();
  const HostSays host = sender.send(task, *message, keep, report);
  if (!seat) return;
  message.reset();
  dup2(error_fd, message_fd);  // closes the message, whose lock says that a delivery is under way
  const bool stays = keep && sender.connected();
  bool more = seat->report({stays, host, 0, std::string(report.bytes())}) && stays;
  report = Report();
  while (more) more = serve(sender, *seat);
  sender.quit();
}

int body(int argc, char** argv) {
  ignore_sigpipe();
  std::optional<AgentSeat> seat = AgentSeat::taken(std::string(conf::home) + "/bin/qmail-remote");
  Report report;
  const std::optional<Task> task = task_of({argv + 1, argv + argc});
  if (!task) {
    report.message('D', "I (qmail-remote) was invoked improperly. (#5.3.5)\n");
  } else {
    report_what_fails(report, [&] { run(*task, seat, report); });
  }
  report.write_to(report_fd);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-remote", argc, argv, body);
}

// qmail-remote: sends one message to one or more recipients at a remote host by SMTP. qmail-remote(8).
//
//   qmail-remote host sender recip [recip ...]     message on descriptor 0, reports on descriptor 1
#include <stdlib.h>
#include <unistd.h>

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

namespace {

using namespace hato;

constexpr int message_fd = 0;
constexpr int report_fd = 1;

// The words of MAIL that came with the message, as qmail-rspawn(8) hands them on.
bool has_parameter(std::string_view words, std::string_view wanted) {
  while (!words.empty()) {
    const std::size_t blank = words.find(' ');
    if (equal_ignoring_case(words.substr(0, blank), wanted)) return true;
    words.remove_prefix(blank == words.npos ? words.size() : blank + 1);
  }
  return false;
}

RemoteEnvelope envelope_of(int argc, char** argv) {
  const std::string message_params = env_or("QMAILMSGPARAMS", "");
  RemoteEnvelope envelope;
  envelope.sender = argv[2];
  envelope.recipients.assign(argv + 3, argv + argc);
  envelope.smtputf8 = has_parameter(message_params, "SMTPUTF8");
  envelope.dsn = dsn_words(message_dsn(message_params));
  envelope.last_attempt = getenv("QMAILLASTATTEMPT") != nullptr;
  envelope.recipient_dsn = dsn_words(recipient_dsn(env_or("QMAILRCPTPARAMS", "")));
  return envelope;
}

// Temporary, with qmail's sentence and then what really happened.
void report_trouble(Report& report, const char* sentence, const Error& e) {
  report.message('Z', std::string(sentence) + "\n" + e.text() + ".\n");
}

void deliver(const RemoteSettings& settings, const SourceAddresses& sources, const std::string& host,
             const RemoteEnvelope& envelope, Report& report) {
  const bool routed = settings.route.has_value();
  const OwnAddresses own = routed ? OwnAddresses() : OwnAddresses::of_this_host();
  Tcpto tcpto(conf::home);
  // QMTP wants the size in front; what comes by a pipe is copied first.
  const Fd copy = routed && settings.route->qmtp ? seekable_copy(message_fd) : Fd();
  OutgoingMessage message(copy ? copy.get() : message_fd);
  seal(seal_profile::remote);

  const Resolver resolver(settings.resolver);
  const bool relayed = routed && !settings.route->relay.empty();
  Exchangers exchangers = relayed ? Exchangers::of_relay(settings.route->relay, resolver)
                                  : Exchangers::of_domain(host, resolver, routed ? nullptr : &own);
  Delivery(settings, sources, tcpto, message, envelope).run(exchangers, report);
}

void run(const std::string& host, const RemoteEnvelope& envelope, Report& report) {
  if (const std::optional<std::string> bad = unsendable_address(envelope))
    return report.message('D',
                          "Sorry, SMTP has no way to say the address " + printable(*bad) + ". (#5.1.3)\n");
  drop_root_to(conf::user_qmailr);
  std::optional<RemoteSettings> settings;
  SourceAddresses sources;
  try {
    settings = RemoteSettings::read(Control(), host);
    sources = settings->sources_for(envelope.sender);
  } catch (const Error& e) {
    return report_trouble(report, "Unable to read control files. (#4.3.0)", e);
  }
  deliver(*settings, sources, host, envelope, report);
}

int body(int argc, char** argv) {
  ignore_sigpipe();
  Report report;
  if (argc < 4) {
    report.message('D', "I (qmail-remote) was invoked improperly. (#5.3.5)\n");
  } else {
    try {
      run(argv[1], envelope_of(argc, argv), report);
    } catch (const Error& e) {
      report_trouble(report, "System resources temporarily unavailable. (#4.3.0)", e);
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

// sendmail(8): the interface that programs know, in front of qmail-inject's work.
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "inject/injection.h"
#include "inject/queue_view.h"
#include "inject/sendmail_options.h"
#include "inject/verification.h"
#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/net/client.h"
#include "lib/store/routing.h"

namespace {

using namespace hato;

constexpr int exit_unknown = 100;  // as for what never goes

[[noreturn]] void run(const char* program) {
  exec_program({std::string(conf::home) + "/bin/" + program});
}

// With its log thrown away, which is not for the caller; unless it cannot be run.
[[noreturn]] void run_quietly(const char* program) {
  const Fd errors(fcntl(2, F_DUPFD_CLOEXEC, 3));
  const Fd null = open_file("/dev/null", O_WRONLY);
  dup2(null.get(), 2);
  try {
    run(program);
  } catch (const Error&) {
    if (errors) dup2(errors.get(), 2);
    throw;
  }
}

// qmail-smtpd for a local program: it may relay, and is told so as tcpserver would (qmail's sendmail -bs).
[[noreturn]] void run_smtp_session() {
  if (!env("PROTO")) {
    set_env("RELAYCLIENT", "");
    set_env("DATABYTES", "0");
    set_env("PROTO", "TCP");
    set_env("TCPLOCALIP", "127.0.0.1");
    set_env("TCPLOCALHOST", "localhost");
    set_env("TCPREMOTEIP", "127.0.0.1");
    set_env("TCPREMOTEHOST", "localhost");
    set_env("TCPREMOTEINFO", sendmail_session);
    run_quietly("qmail-smtpd");
  }
  run("qmail-smtpd");
}

Injection injection_of(const SendmailCommand& command) {
  Injection injection;
  injection.from_header = command.recipients_from_header;
  injection.recipients = command.recipients;
  injection.sender = command.sender;
  injection.from_is_sender = command.sender.has_value();
  injection.name = command.name;
  injection.body = command.body;
  injection.dsn = command.dsn;
  injection.notify = command.notify;
  return injection;
}

int verify(const SendmailCommand& command) {
  const Router router = read_router(Control());
  bool unknown = false;
  for (const std::string& recipient : recipients_of(injection_of(command))) {
    const Verification verification = verify_address(router, recipient);
    write_all(1, verification.line, "standard output");
    unknown = unknown || verification.unknown;
  }
  return unknown ? exit_unknown : 0;
}

int body(int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "sendmail";
  const std::string name = path.substr(path.rfind('/') + 1);
  const SendmailCommand command =
      parse_sendmail(name, std::vector<std::string>(argv + (argc > 0), argv + argc));
  switch (command.mode) {
    case SendmailMode::queue:
      show_queue();
      break;
    case SendmailMode::smtp:
      run_smtp_session();
    case SendmailMode::verify:
      return verify(command);
    case SendmailMode::flush:
      exec_program({std::string(conf::home) + "/bin/qmail-flush", command.flush_host});
    case SendmailMode::nothing:
      break;
    case SendmailMode::deliver:
      inject(injection_of(command));
      break;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("sendmail", argc, argv, body);
}

// sendmail(8): the interface that programs know, in front of qmail-inject's work.
#include <string>
#include <vector>

#include "inject/injection.h"
#include "inject/sendmail_options.h"
#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/process.h"

namespace {

using namespace hato;

[[noreturn]] void run(const char* program) {
  exec_program({std::string(conf::home) + "/bin/" + program});
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
    set_env("TCPREMOTEINFO", "sendmail-bs");
  }
  run("qmail-smtpd");
}

void deliver(const SendmailCommand& command) {
  Injection injection;
  injection.from_header = command.recipients_from_header;
  injection.recipients = command.recipients;
  injection.sender = command.sender;
  injection.from_is_sender = command.sender.has_value();
  injection.name = command.name;
  inject(injection);
}

int body(int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "sendmail";
  const std::string name = path.substr(path.rfind('/') + 1);
  const SendmailCommand command =
      parse_sendmail(name, std::vector<std::string>(argv + (argc > 0), argv + argc));
  switch (command.mode) {
    case SendmailMode::queue:
      run("qmail-qread");
    case SendmailMode::smtp:
      run_smtp_session();
    case SendmailMode::nothing:
      break;
    case SendmailMode::deliver:
      deliver(command);
      break;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("sendmail", argc, argv, body);
}

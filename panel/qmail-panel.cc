// qmail-panel: the reference control panel, a CGI program (RFC 3875) that runs as the panel's user. man
// qmail-panel.
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "panel/panel.h"

using namespace hato;
using namespace hato::panel;

namespace {

void be_the_panel() {
  drop_root_to(conf::user_qmailc);
  const std::optional<User> user = passwd_user(conf::user_qmailc);
  if (!user) throw TempError(std::string("user ") + conf::user_qmailc + " does not exist");
  if (geteuid() != user->uid) throw TempError(std::string("must run as ") + conf::user_qmailc);
}

Response answer(const CgiRequest& request) {
  Sessions sessions(std::string(conf::home) + "/panel/sessions");
  try {
    return respond(request, sessions);
  } catch (const Error& e) {
    log_line(2, "qmail-panel: " + e.text());
    return apology(request);
  }
}

Response answer_from_web_server() {
  try {
    return answer(read_cgi_request());
  } catch (const CgiRefusal& e) {
    return refusal_page(e.status, e.text);
  }
}

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-panel (by a web server, as a CGI program)");
  umask(077);
  ignore_sigpipe();
  const bool head_only = env_or("REQUEST_METHOD", "") == "HEAD";
  Response response;
  try {
    be_the_panel();
    response = answer_from_web_server();
  } catch (const Error& e) {
    log_line(2, "qmail-panel: " + e.text());
    response = refusal_page(500, "The control panel is not set up. Please tell the operator of this server.");
  }
  write_all(1, cgi_text(response, head_only), "response");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-panel", argc, argv, body);
}

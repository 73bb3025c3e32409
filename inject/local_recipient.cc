#include "inject/local_recipient.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/store/control.h"
#include "lib/store/orders.h"
#include "lib/store/recipients.h"

namespace hato {

namespace {

// More than qmail-getpw prints: a home and an address.
constexpr std::size_t answer_limit = 16384;

// What qmail-getpw says, which asks the system's account database as this program, without NSS, cannot.
// nullopt: nothing, for whatever reason.
std::optional<Assignment> ask_getpw(const std::string& local) {
  FdPair answer = make_pipe();
  const pid_t child = fork_child("sendmail", [&] {
    move_to(std::move(answer.second), 1);
    close(0);
    close(2);  // what goes wrong is not for the caller
    ensure_standard_fds();
    exec_program({std::string(conf::home) + "/bin/qmail-getpw", local});
    return 111;
  });
  answer.second.reset();
  const std::optional<std::string> record = read_all(answer.first.get(), answer_limit, "qmail-getpw");
  answer.first.reset();
  const int status = wait_for_child(child);
  if (!record || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return parse_assignment(*record);
}

}  // namespace

LocalRecipient find_local_recipient(std::string_view local, std::string_view domain) {
  try {
    Recipients recipients;
    Resolution found = recipients.find(local, domain);
    if (const AskGetpw* asked = std::get_if<AskGetpw>(&found)) {
      const std::optional<Assignment> answer = ask_getpw(asked->local);
      if (!answer) return LocalRecipient::unsure;
      found = recipients.answered(*asked, *answer);
    }
    const LocalUser* user = std::get_if<LocalUser>(&found);
    if (user == nullptr) return LocalRecipient::unknown;
    const Assignment& to = user->to;
    if (user->any || (to.dash.empty() && to.ext.empty())) return LocalRecipient::exists;
    const Fd home = open_file(to.home, O_PATH | O_DIRECTORY);
    const OrdersQuestion question{to.user, to.home, to.dash, to.ext, "./Maildir/"};
    const DotfilePlace place(Control(), question, home.get());
    return place.orders(question, conf::break_chars) ? LocalRecipient::exists : LocalRecipient::unknown;
  } catch (const Error&) {
    return LocalRecipient::unsure;
  }
}

}  // namespace hato

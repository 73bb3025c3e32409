// qmail-pop3d(8): let a user read and delete his mail over POP3. Started by checkpassword as the user, in his
// home, with the client on descriptors 0 and 1.
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "lib/base/clock.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/store/accounts.h"
#include "lib/store/maildir.h"
#include "pop3d/command.h"
#include "pop3d/mailbox.h"
#include "pop3d/session.h"

namespace hato {
namespace {

constexpr std::int64_t idle_seconds = 1200;
constexpr std::size_t output_bytes = 32 * 1024;

// Replies are written in large pieces: without this the kernel would hold the last one back until the client
// acknowledges the one before. On a pipe it fails, and does not matter.
void send_at_once(int client) {
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void skip_rest_of_line(Reader& client) {
  std::string piece;
  while (client.read_line(piece, pop3_line_limit) == Reader::Line::too_long) {
  }
}

void serve(Mailbox& mailbox, Reader& in, Writer& out) {
  Pop3Session session(mailbox, out);
  std::string line;
  for (;;) {
    switch (in.read_line(line, pop3_line_limit)) {
      case Reader::Line::complete:
        if (session.command(line)) break;
        out.flush();
        return;
      case Reader::Line::too_long:
        skip_rest_of_line(in);
        out.put("-ERR command line longer than 512 bytes\r\n");
        break;
      default:
        return;  // gone without QUIT: nothing is changed (RFC 1939 section 6)
    }
  }
}

// The account that checkpassword found in users/accounts.cdb; none: a user of the system.
std::optional<Account> own_account() {
  const std::optional<std::string> text = env(account_variable);
  if (!text) return std::nullopt;
  std::optional<AccountInEnvironment> read = parse_account_variable(*text);
  if (!read) throw TempError(std::string("$") + account_variable + " is no account");
  return std::move(read->account);
}

// Accounts may share a user id: no link in the home leads out of it.
bool enter_below_home(const std::string& directory) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const Fd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, directory.c_str(), &how, sizeof how)));
  return fd && fchdir(fd.get()) == 0;
}

// An account's own mailbox goes before the argument, which is for everybody else.
bool enter_maildir(const char* argument) {
  const std::optional<Account> account = own_account();
  if (!account) return argument != nullptr && chdir(argument) == 0;
  const std::string& mailbox = account->mailbox;
  if (!mailbox.ends_with('/')) return false;
  return mailbox.starts_with('/') ? chdir(mailbox.c_str()) == 0 : enter_below_home(mailbox);
}

void run_session(const char* argument) {
  Writer out(1, "client", idle_seconds, output_bytes);
  Reader in(0, "client", idle_seconds);
  in.flush_before_reading(&out);
  const auto refuse = [&](const char* reply) {
    out.put(reply);
    out.flush();
  };
  if (!enter_maildir(argument)) return refuse("-ERR this user has no $HOME/Maildir\r\n");
  seal(seal_profile::pop3d, {{".", true}});
  send_at_once(1);
  clean_maildir(".", now_seconds());
  std::optional<Mailbox> mailbox;
  try {
    mailbox.emplace();
  } catch (const SystemError& e) {
    log_line(2, "qmail-pop3d: " + e.text());
    return refuse("-ERR unable to scan $HOME/Maildir\r\n");
  }
  out.put("+OK \r\n");
  serve(*mailbox, in, out);
}

int body(int argc, char** argv) {
  if (getuid() == 0 || geteuid() == 0) {
    log_line(2, "qmail-pop3d invoked as uid 0, terminating");
    return 1;
  }
  ignore_sigpipe();
  try {
    run_session(argc > 1 ? argv[1] : nullptr);
  } catch (const TimeoutError&) {
  } catch (const SystemError& e) {
    if (e.error() != EPIPE && e.error() != ECONNRESET) log_line(2, "qmail-pop3d: " + e.text());
  }
  return 0;
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("qmail-pop3d", argc, argv, hato::body);
}

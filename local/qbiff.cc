// qbiff: tells the user on his screen that mail has come, where he asked for it (biff y). man qbiff.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmp.h>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "local/announcement.h"

using namespace hato;

namespace {

// Bytes of the message that are looked at: the subject is below that, or is not announced.
constexpr std::size_t message_limit = 64U << 10;
constexpr std::size_t utmp_limit = 16U << 20;

std::string beginning_of_message() {
  std::string text(message_limit, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = read(0, text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

// His own terminal, and `biff y` has set the owner's x bit.
bool wants_to_know(int terminal) {
  struct stat status;
  return fstat(terminal, &status) == 0 && (status.st_mode & S_IXUSR) && status.st_uid == getuid();
}

void announce(const std::string& text, const std::string& user) {
  const std::optional<std::string> utmp_bytes = read_file(_PATH_UTMP, utmp_limit);
  if (!utmp_bytes) return;
  for (const std::string& name : terminals_of(user, *utmp_bytes)) {
    const Fd terminal = try_open("/dev/" + name, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
    if (terminal && wants_to_know(terminal.get())) write_all(terminal.get(), text, name);
  }
}

// Always 0: an announcement that nobody sees is no reason to defer mail.
int body(int, char**) {
  const std::optional<std::string> user = env("USER"), sender = env("SENDER"), local = env("LOCAL");
  if (!user || !sender || !local) return 0;
  ignore_sigpipe();
  try {
    announce(announcement(*local, *sender, beginning_of_message()), *user);
  } catch (const Error&) {
    return 0;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qbiff", argc, argv, body);
}

// qmail-smtpd: one SMTP session on descriptors 0 and 1.
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <new>

#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "smtpd/connection.h"
#include "smtpd/gate_submission.h"
#include "smtpd/program_submission.h"
#include "smtpd/session.h"
#include "smtpd/settings.h"

using namespace hato;
using namespace hato::smtpd;

namespace {

constexpr const char* program_name = "qmail-smtpd";

// Under inetd descriptor 2 is the client's connection: nothing may be logged there.
bool has_log() {
  struct stat client, log;
  if (fstat(2, &log) != 0) return false;
  return fstat(0, &client) != 0 || client.st_ino != log.st_ino || client.st_dev != log.st_dev;
}

// Started as root: control files are read with qmaild's rights, but root is kept until the chroot.
class Privilege {
 public:
  Privilege() : root_(geteuid() == 0) {
    if (!root_) return;
    user_ = passwd_user(conf::user_qmaild);
    if (!user_)
      throw TempError(std::string("user ") + conf::user_qmaild + " does not exist; make install creates it");
    if (setgroups(1, &user_->gid) != 0) throw_errno("setgroups");
    setfsgid(user_->gid);
    setfsuid(user_->uid);
  }
  // Becomes qmaild with `directory` for its root; false, and nothing changed, when root was not there to give
  // up.
  bool give_up(const std::string& directory) {
    if (!root_) return false;
    confine_to(directory);
    become(user_->uid, user_->gid);
    return true;
  }

 private:
  bool root_;
  std::optional<User> user_;
};

// Opens all that the session will need, gives root up and seals. After it nothing but the queue can be
// reached.
std::unique_ptr<Queue> prepare(Settings& settings, bool logging) {
  Privilege privilege;
  settings = read_settings(Control());
  std::unique_ptr<Queue> queue;
  if (const auto program = env("QMAILQUEUE"))
    queue = std::make_unique<ProgramQueue>(start_starter(*program, conf::user_qmaild, logging));
  const std::string gate_directory = std::string(conf::home) + "/gate";
  const bool confined = privilege.give_up(gate_directory);
  if (!queue) queue = std::make_unique<GateQueue>((confined ? std::string() : gate_directory) + "/s");
  seal(seal_profile::smtpd);
  return queue;
}

int smtpd_body(int, char**) {
  ensure_standard_fds();
  ignore_sigpipe();
  const bool logging = has_log();
  const auto journal = [&](std::string_view line) {
    if (logging) log_line(2, std::string(program_name) + ": " + std::string(line));
  };

  Settings settings;
  std::unique_ptr<Queue> queue;
  try {
    queue = prepare(settings, logging);
  } catch (const std::bad_alloc&) {
    turn_away(1, Replies().line(Reply::no_memory));
    return 1;
  } catch (const Error& e) {
    journal(e.text());
    turn_away(1, Replies().line(Reply::no_controls));
    return 1;
  }
  for (const std::string& complaint : settings.complaints) journal(complaint);
  Session session(settings, *queue, journal);
  return converse(0, 1, session, settings);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(program_name, argc, argv, smtpd_body);
}

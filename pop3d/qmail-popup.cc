// qmail-popup(8): read a POP3 login, run a program that checks it. A sealed child talks to the client until
// there is a login; this process never reads a byte from the network, starts the program, and answers when
// the program says no.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/seal.h"
#include "lib/base/secret.h"
#include "pop3d/command.h"
#include "pop3d/exact_line.h"
#include "pop3d/login.h"

namespace hato {
namespace {

constexpr int client_in = 0, client_out = 1;
constexpr int monitor_fd = 3;                  // in the child
constexpr int subprogram_fd = 3;               // in the subprogram
constexpr std::int64_t login_seconds = 1200;   // from the greeting to the login, all together
constexpr std::int64_t monitor_grace = 60;     // how much longer the monitor waits for the child
constexpr std::int64_t farewell_seconds = 60;  // for a client that does not take the last line
constexpr std::size_t hostname_limit = 255;    // keeps the timestamp far below checkpassword_limit
constexpr int exit_code = 1;                   // qmail's, however the session went
constexpr char temporary_problem[] = "-ERR [SYS/TEMP] temporary problem on this server; try again later\r\n";

// The last line, which the client may not be there for any more. A descriptor that would block is left alone.
void tell_client(std::string_view line) noexcept {
  if (line.empty()) return;
  try {
    Writer client(client_out, "client", farewell_seconds);
    client.put(line);
    client.flush();
  } catch (const std::exception&) {
  }
}

// Under inetd descriptor 2 is the client, too. What is complained of there, by this program or by one that it
// starts, must not get among the replies: it is thrown away. A terminal, for who tries this by hand, stays.
void keep_log_from_client() {
  struct stat log;
  if (has_log() || fstat(2, &log) != 0 || !S_ISSOCK(log.st_mode)) return;
  move_to(open_file("/dev/null", O_WRONLY), 2);
}

// In the child: all it gives up before the first byte is read. What stays is the client and the monitor's
// socket, which is moved to descriptor 3.
void give_up_everything(Fd monitor, pid_t parent) {
  move_to(std::move(monitor), monitor_fd);
  close_from(monitor_fd + 1);
  if (geteuid() == 0) {
    const std::optional<User> user = passwd_user(conf::user_qmaild);  // before chroot hides /etc/passwd
    if (!user) throw TempError(std::string("user ") + conf::user_qmaild + " does not exist");
    confine_to(std::string(conf::home) + "/empty");
    become(user->uid, user->gid);
  }
  // After become(): the kernel forgets it when the user changes.
  if (!die_with_parent(parent)) throw TempError("the monitor is gone");
  seal(seal_profile::plain);
}

// From the greeting to a login, which goes to the monitor as one message; nothing goes there when the client
// leaves without one.
void talk_to_client(const std::string& timestamp) {
  const Deadline deadline = Deadline::in_seconds(login_seconds);
  Writer client(client_out, "client");
  client.until(deadline);
  ExactLineReader lines(client_in);
  LoginDialogue dialogue(timestamp);
  client.put(dialogue.greeting());
  client.flush();
  std::string line;
  for (bool over = false; !over;) {
    const ExactLineReader::Result result = lines.read_line(line, pop3_line_limit, deadline);
    if (result == ExactLineReader::Result::eof) break;
    const LoginDialogue::Step step =
        result == ExactLineReader::Result::too_long ? LoginDialogue::line_too_long() : dialogue.command(line);
    wipe(line);
    over = step.over;
    client.put(step.reply);
    client.flush();
    if (step.login) {
      std::string data = to_wire(*step.login);
      write_all(monitor_fd, data, "monitor");
      wipe(data);
    }
  }
}

// The child. A client that is gone or too slow is no error: nobody is left to tell.
int be_the_child(const std::string& timestamp, Fd monitor, pid_t parent) {
  give_up_everything(std::move(monitor), parent);
  try {
    talk_to_client(timestamp);
  } catch (const Error&) {
  }
  return 0;
}

// nullopt: there is none; the child has told the client why.
std::optional<Login> wait_for_login(int child) {
  if (!wait_readable(child, Deadline::in_seconds(login_seconds + monitor_grace))) return std::nullopt;
  std::optional<Message> message = receive_message(child, checkpassword_limit);
  if (!message || message->data.empty()) return std::nullopt;
  std::optional<Login> login = from_wire(message->data);
  wipe(message->data);
  if (!login) throw TempError("the child sent what is no login");
  return login;
}

// A pipe that holds name, password and timestamp, and then ends: the checkpassword interface's descriptor 3.
Fd credentials_pipe(const Login& login, const std::string& timestamp) {
  std::string data = to_wire(login);
  if (data.size() + timestamp.size() + 1 > checkpassword_limit)
    throw TempError("the child sent too long a login");
  FdPair pipe = make_pipe();
  data.reserve(checkpassword_limit);
  data.append(timestamp).push_back('\0');
  write_all(pipe.second.get(), data, "pipe");  // less than a pipe holds: cannot block
  wipe(data);
  return std::move(pipe.first);
}

// posix_spawn rather than fork: no page table is copied.
pid_t start_subprogram(char** args, Fd credentials) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, credentials.get(), subprogram_fd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);  // the only one that is ignored here
  posix_spawnattr_setsigdefault(&attributes, &signals);
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, args[0], &actions, &attributes, args, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw SystemError(std::string("run ") + args[0], error);
  return pid;
}

void run_session(const std::string& timestamp, char** subprogram) {
  FdPair channel = make_socketpair(SOCK_SEQPACKET);
  const pid_t monitor = getpid();
  const pid_t talker = fork_child("qmail-popup", [&] {
    channel.first.reset();
    return be_the_child(timestamp, std::move(channel.second), monitor);
  });
  channel.second.reset();
  std::optional<Login> login;
  try {
    login = wait_for_login(channel.first.get());
  } catch (...) {
    kill(talker, SIGKILL);
    throw;
  }
  if (!login) kill(talker, SIGKILL);  // gone already, unless it overran its time
  const int talked = wait_for_child(talker);
  if (!login) {
    if (!WIFEXITED(talked) || WEXITSTATUS(talked) != 0) tell_client(temporary_problem);
    return;
  }
  Fd credentials = credentials_pipe(*login, timestamp);
  login.reset();
  channel.first.reset();
  tell_client(reply_to_exit(wait_for_child(start_subprogram(subprogram, std::move(credentials)))));
}

int body(int argc, char** argv) {
  ensure_standard_fds();
  ignore_sigpipe();
  keep_log_from_client();
  if (argc < 3 || strlen(argv[1]) > hostname_limit) {
    tell_client("-ERR usage: popup hostname subprogram\r\n");
    return exit_code;
  }
  const std::string timestamp =
      "<" + std::to_string(getpid()) + "." + std::to_string(now_seconds()) + "@" + argv[1] + ">";
  try {
    run_session(timestamp, argv + 2);
  } catch (const Error& e) {
    log_line(2, "qmail-popup: " + e.text());
    tell_client(temporary_problem);
  }
  return exit_code;
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("qmail-popup", argc, argv, hato::body);
}

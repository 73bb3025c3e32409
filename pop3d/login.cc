#include "pop3d/login.h"

#include <sys/wait.h>

#include "pop3d/capabilities.h"
#include "pop3d/command.h"

namespace hato {

namespace {

LoginDialogue::Step say(std::string_view reply, bool over = false) {
  return {std::string(reply) + "\r\n", over, std::nullopt};
}

}  // namespace

std::string to_wire(const Login& login) {
  std::string data;
  data.reserve(login.name.text().size() + login.password.text().size() + 2);  // no copy is left behind
  data.append(login.name.text()).push_back('\0');
  data.append(login.password.text()).push_back('\0');
  return data;
}

std::optional<Login> from_wire(std::string_view data) {
  if (data.size() > checkpassword_limit) return std::nullopt;
  const std::size_t first = data.find('\0');
  if (first == 0 || first == std::string_view::npos) return std::nullopt;
  const std::size_t second = data.find('\0', first + 1);
  if (second == first + 1 || second == std::string_view::npos || second + 1 != data.size())
    return std::nullopt;
  return Login{Secret(data.substr(0, first)), Secret(data.substr(first + 1, second - first - 1))};
}

std::string LoginDialogue::greeting() const {
  return "+OK " + timestamp_ + " \r\n";
}

LoginDialogue::Step LoginDialogue::line_too_long() {
  return say("-ERR command line longer than 512 bytes", true);
}

LoginDialogue::Step LoginDialogue::log_in(std::string_view name, std::string_view password) const {
  if (name.size() + password.size() + timestamp_.size() + 3 > checkpassword_limit)
    return say("-ERR login name and password are too long", true);
  return {"", true, Login{Secret(name), Secret(password)}};
}

LoginDialogue::Step LoginDialogue::command(std::string_view line) {
  if (++commands_ > command_limit) return say("-ERR too many commands before a login", true);
  const Pop3Command command = parse_pop3_command(line);
  const std::string_view argument = command.argument;
  switch (command.verb) {
    case Verb::quit:
      return say("+OK ", true);
    case Verb::noop:
      return say("+OK ");
    case Verb::capa:
      return {std::string(pop3_capabilities), false, std::nullopt};
    case Verb::user:
      if (argument.empty()) return say("-ERR syntax error");
      user_ = Secret(argument);
      return say("+OK ");
    case Verb::pass:
      if (user_.text().empty()) return say("-ERR USER first");
      if (argument.empty()) return say("-ERR syntax error");
      return log_in(user_.text(), argument);
    case Verb::apop: {
      const std::size_t blank = argument.find(' ');
      if (blank == std::string_view::npos || blank + 1 == argument.size()) return say("-ERR syntax error");
      return log_in(argument.substr(0, blank), argument.substr(blank + 1));
    }
    default:
      return say("-ERR authorization first");
  }
}

std::string reply_to_exit(int wait_status) {
  if (!WIFEXITED(wait_status)) return "-ERR aack, child crashed\r\n";
  switch (WEXITSTATUS(wait_status)) {
    case 0:
      return "";
    case 2:
      return "-ERR [SYS/PERM] login is not set up correctly on this server; tell the postmaster\r\n";
    case 111:
      return "-ERR [SYS/TEMP] temporary problem, your password was not checked; try again later\r\n";
    default:
      return "-ERR authorization failed\r\n";
  }
}

}  // namespace hato

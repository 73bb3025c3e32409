// POP3 before login (RFC 1939's AUTHORIZATION state) as qmail-popup(8) speaks it: commands in, replies out.
// No I/O; what a login is worth is for somebody else to say.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/secret.h"

namespace hato {

// A login as the client gave it. Neither part holds a NUL, neither is empty.
struct Login {
  Secret name;
  Secret password;  // for APOP the digest, 32 hex digits
};

// The checkpassword interface carries at most this many bytes: name NUL password NUL timestamp NUL.
constexpr std::size_t checkpassword_limit = 512;
// name NUL password NUL, as the sealed child hands a login to the monitor.
std::string to_wire(const Login& login);
// nullopt for anything that to_wire does not make of a login within the limit.
std::optional<Login> from_wire(std::string_view data);

class LoginDialogue {
 public:
  // Commands before a login; the connection ends then.
  static constexpr unsigned command_limit = 100;

  // timestamp: "<pid.time@host>", as the greeting shows it.
  explicit LoginDialogue(std::string_view timestamp) : timestamp_(timestamp) {}

  // With a blank behind the timestamp: curl takes APOP for the only way where the line ends in ">".
  std::string greeting() const;

  struct Step {
    std::string reply;  // lines with CRLF; empty when there is a login, which somebody else answers
    bool over = false;  // QUIT, too many commands or a login: read no more
    std::optional<Login> login;
  };
  // line: without LF.
  Step command(std::string_view line);
  // A line longer than pop3_line_limit came.
  static Step line_too_long();

 private:
  Step log_in(std::string_view name, std::string_view password) const;

  std::string timestamp_;
  Secret user_;  // of the last USER; empty: none yet
  unsigned commands_ = 0;
};

// What the client is told when the subprogram's wait status is this one; empty: nothing, it went well.
std::string reply_to_exit(int wait_status);

}  // namespace hato

// The half of qmail-authd that talks to clients: an event loop that reads questions, holds those back that
// come too soon after wrong ones, has the other half answer the rest, and writes the answers. Sealed: it has
// no files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "checkpassword/guesses.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/service_life.h"
#include "lib/net/auth_protocol.h"

namespace hato {

class AuthDoor {
 public:
  static constexpr std::size_t clients_limit = 400;  // connections; more wait in the socket's queue
  static constexpr std::size_t checks_limit = 16;  // under way at a time: each may cost 100 ms of a processor
  static constexpr std::int64_t idle_seconds = 120;   // that a connection may say nothing
  static constexpr std::int64_t answer_seconds = 35;  // for a check, waiting for a place included
  static constexpr std::int64_t wrong_seconds = 1;    // that every "no" is held back

  // listening: non-blocking; checker: the socket of serve_auth_checks. Both stay the caller's.
  AuthDoor(int listening, int checker) : listening_(listening), checker_(checker) {}
  // Until it is over. Throws TempError when the other half is gone, SystemError.
  void run(ServiceLife& life);

 private:
  struct Client {
    Fd fd;
    std::string in, out;
    std::optional<AuthQuestion> question;  // the one that is being answered
    Fd answer;                             // where the check's answer comes from, once it was begun
    std::string answer_text;
    std::optional<std::string> held;  // a finished answer that is not told yet
    Deadline until = Deadline::never();
  };
  void accept_clients();
  void read_from(Client& client);
  void take_question(Client& client);
  void begin_check(Client& client);
  void read_answer(Client& client);
  void tell(Client& client, const AuthAnswer& answer);
  void time_over(Client& client);
  void write_to(Client& client);

  const int listening_, checker_;
  std::map<std::uint64_t, Client> clients_;
  std::uint64_t next_ = 0;
  std::size_t checks_ = 0;
  Guesses guesses_;
};

}  // namespace hato

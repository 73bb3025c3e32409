// Delivery agents: a program that a spawner started for one delivery may stay for further ones, still sealed,
// still the same user. Neither what the spawner starts nor what a user sees of the program changes for that.
//
// The program is started as ever: arguments, environment, message on fd 0, output on fd 1. Besides, fd 3 is a
// SOCK_SEQPACKET socket and $QMAILAGENT is "MESSAGES SECONDS": so many deliveries, the first included, and so
// long may it live. A program that knows nothing of agents (a script in the real one's place, say) prints and
// exits as ever. One that takes part says what became of a delivery by a packet on the socket, and prints
// nothing:
//
//   report  one byte + (stays for another) or - (exits now); one byte for what the delivery tells about the
//           other side (HostSays); one byte, the exit code that the program would have ended with; then what
//           would have been printed on fds 1 and 2, agent_output_limit bytes at most.
//   job     to one that stays: one byte + (more may come) or - (the last one); the number of arguments, 16
//           bits, big-endian; then strings ended by NUL: the arguments without the program's name, and the
//           delivery's environment, NAME=VALUE. The message's descriptor rides along.
//
// The spawner ends an agent by closing the socket. An agent never leaves on its own after it said +, so no
// job is ever lost between the two; a connection that it lost in the meantime it makes anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"

namespace hato {

constexpr char env_agent[] = "QMAILAGENT";
constexpr int agent_fd = 3;
constexpr std::size_t agent_output_limit = 65536;
constexpr std::size_t agent_report_limit = 3 + agent_output_limit;
constexpr std::size_t agent_job_limit = 65536;

// The environment of a delivery (qmail-lspawn(8)); each is set only when it is not empty.
constexpr char env_trace[] = "QMAILTRACE";
constexpr char env_message_params[] = "QMAILMSGPARAMS";
constexpr char env_recipient_params[] = "QMAILRCPTPARAMS";
constexpr char env_try_dead[] = "QMAILTRYDEAD";  // a host that is out of order is to be tried, too
constexpr char env_account[] = "QMAILACCOUNT";   // whose account it is: lib/store/accounts.h

// What a delivery tells about the host at the other end, whatever became of the message.
enum class HostSays : char {
  nothing = '-',   // it was not asked, or nothing can be concluded
  answered = '+',  // it answered for the message, in whatever way
  trouble = '!',   // it could not be reached, timed out, greeted badly or closed the session (421)
};

std::optional<HostSays> host_says(char c);  // nullopt: none of these

struct AgentJob {
  bool last = false;
  std::vector<std::string> args, env;
  bool operator==(const AgentJob&) const = default;
};

struct AgentReport {
  bool stays = false;
  HostSays host = HostSays::nothing;
  std::uint8_t exit_code = 0;
  std::string output;
  bool operator==(const AgentReport&) const = default;
};

// Throws TempError when the job does not fit into agent_job_limit or a string holds a NUL.
std::string encode_job(const AgentJob& job);
std::optional<AgentJob> decode_job(std::string_view packet);
// An output over the limit is cut off.
std::string encode_agent_report(const AgentReport& report);
std::optional<AgentReport> decode_agent_report(std::string_view packet);

// The program's side.
class AgentSeat {
 public:
  // For a program started from `path` itself by a spawner that keeps agents; nullopt for any other start: by
  // hand, or from a program that lies in `path` and runs this one from elsewhere (whose work would be passed
  // by). Takes $QMAILAGENT out of the environment.
  static std::optional<AgentSeat> taken(const std::string& path);

  // May there be another delivery after this one?
  bool more() const;
  // Tells what became of the present delivery; `stays` only where more() was true and is meant to be kept.
  // False: the spawner is gone.
  bool report(const AgentReport& report);
  // The next job; nullopt: the spawner wants no more. Waits. The environment is, variable by variable and in
  // the same order, what a program started for this job would find: nothing of the last one's stays.
  struct Job {
    std::vector<std::string> args;
    Fd message;
  };
  std::optional<Job> next();

 private:
  AgentSeat(Fd socket, std::size_t messages, Deadline until);

  Fd socket_;
  std::size_t left_;  // deliveries, the present one included
  Deadline until_;
  bool last_ = false;                   // the spawner expects no more after this one
  std::vector<char*> inherited_;        // the environment at the start, without what belongs to one delivery
  std::vector<std::string> variables_;  // the present job's
  std::vector<char*> environment_;      // environ, but for the first delivery
};

}  // namespace hato

// The loop that qmail-lspawn and qmail-rspawn share: requests of qmail-send in (spawn_protocol.h), programs
// started, their output kept, reports out.
//
// One process, one poll. A delivery ends when its program has died: what it wrote until then is its report,
// and a process it left behind with the descriptor open is not waited for. Or it ends when the program, as an
// agent (lib/base/agent.h), says so; then the program may be kept for the next delivery of the same kind.
#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "lib/base/agent.h"
#include "lib/base/start.h"
#include "qmail-send/spawn_protocol.h"

namespace hato {

// What a spawner thinks of a delivery: a report's status and text.
struct Verdict {
  char status;  // K, Z, D
  std::string text;
  HostSays host = HostSays::nothing;
};

// What a program may do for deliveries besides the one it is started for.
struct AgentTerms {
  // Agents with equal keys can stand in for one another; empty: the program is started for one delivery and
  // told nothing of agents.
  std::string key;
  bool keep = false;      // another delivery with this key is likely: an agent may stay after this one
  unsigned messages = 1;  // one agent's deliveries, all in all
  unsigned seconds = 1;   // it takes no more deliveries after so long
  std::chrono::milliseconds idle{0};  // and is ended when none came for so long
};
// What to do next with a delivery: run this program (in, out, err are filled in by the spawner: the message,
// and its pipe), or report.
struct Run {
  Program program;
  bool takes_message = true;                       // fd 0 is the message; otherwise /dev/null
  bool errors_to_output = true;                    // fd 2 is fd 1; otherwise the spawner's log
  std::size_t output_limit = delivery_text_limit;  // the rest is read and dropped
  std::string name;  // "qmail-local": for texts, and handed back when it has ended
  AgentTerms agent{};
  std::chrono::seconds life{0};  // killed after so long, and not waited for any more; 0: never
};
using Next = std::variant<Run, Verdict>;

// How a program ended.
struct Ended {
  std::string name;  // Run::name
  int status;        // wait status; for an agent's report one that has its exit code
  std::string output;
  HostSays host = HostSays::nothing;  // an agent's
};

class Deliverer {
 public:
  virtual ~Deliverer() = default;
  virtual Next begin(const DeliveryRequest& request) = 0;
  virtual Next ended(const DeliveryRequest& request, const Ended& ended) = 0;
};

// Serves the socket until qmail-send closes it and the last delivery is over; idle agents end then at once.
// SIGCHLD is handled and SIGPIPE ignored from then on; programs get both at their defaults. Every failure on
// the way of one delivery (no process, no descriptor, a program missing) is its report, Z. most_idle: agents
// that wait for work, of all keys together; the one that has waited longest makes room.
void serve_deliveries(int socket, Deliverer& deliverer, std::size_t most_idle);

// Splits at the last '@'; false when there is none.
bool split_address(std::string_view address, std::string& local, std::string& domain);

// The environment of qmail-local and qmail-remote for a request.
std::vector<std::string> delivery_environment(const DeliveryRequest& request);

}  // namespace hato

#include "lib/net/server_queue.h"

#include "lib/base/conf.h"
#include "lib/base/seal.h"
#include "lib/net/gate_queue.h"
#include "lib/net/program_queue.h"
#include "lib/net/submit.h"

namespace hato {

std::unique_ptr<ServerQueue> open_queue_and_seal(const char* program, Privilege& privilege, bool logging) {
  std::unique_ptr<ServerQueue> queue;
  if (const auto own = queue_program())
    queue = std::make_unique<ProgramQueue>(start_starter(program, *own, conf::user_qmaild, logging));
  const bool confined = privilege.give_up(gate_directory());
  if (!queue) queue = std::make_unique<GateQueue>((confined ? std::string() : gate_directory()) + "/s");
  seal(seal_profile::smtpd);
  return queue;
}

}  // namespace hato

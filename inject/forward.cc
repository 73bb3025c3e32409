// forward(1): sends a delivered message on to other addresses.
#include "inject/forwarding.h"
#include "lib/base/error.h"
#include "lib/base/log.h"

namespace {

using namespace hato;

int body(int argc, char** argv) {
  if (argc < 2) throw PermError("usage: forward address ...");
  const std::string sender = required_env("NEWSENDER");
  const std::uint32_t qp = forward_message(sender, std::vector<std::string>(argv + 1, argv + argc));
  log_line(2, "forward: qp " + std::to_string(qp));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("forward", argc, argv, body);
}

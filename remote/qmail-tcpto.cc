// qmail-tcpto: prints the table of hosts whose connections timed out. qmail-tcpto(8).
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/net/smtproutes.h"
#include "lib/store/tcpto.h"

namespace {

using namespace hato;

int body(int, char**) {
  const Tcpto table(conf::home);
  if (!table.usable()) throw_errno("open " + Tcpto::path(conf::home));
  const std::int64_t now = now_seconds();
  std::string text;
  for (const TcptoEntry& entry : table.entries()) {
    text += entry.port == smtp_port ? entry.address.text() : entry.address.with_port(entry.port);
    text += " timed out " + std::to_string(now - entry.when) +
            " seconds ago; # recent timeouts: " + std::to_string(entry.failures) + "\n";
  }
  write_all(1, text, "output");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-tcpto", argc, argv, body);
}

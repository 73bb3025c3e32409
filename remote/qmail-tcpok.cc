// qmail-tcpok: empties the table of hosts whose connections timed out. qmail-tcpok(8).
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/store/tcpto.h"

namespace {

using namespace hato;

int body(int, char**) {
  Tcpto table(conf::home);
  if (!table.usable()) throw_errno("open " + Tcpto::path(conf::home));
  table.clear();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-tcpok", argc, argv, body);
}

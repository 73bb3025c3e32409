// except PROGRAM [ARG ...]: exit 100 when PROGRAM exits 0, and 0 when it fails. man except.
#include "lib/base/error.h"
#include "local/condition.h"

using namespace hato;

namespace {

int body(int argc, char** argv) {
  if (argc < 2) throw PermError("usage: except program [ arg ... ]");
  switch (ask_program("except", argv + 1)) {
    case Condition::yes:
      return 100;
    case Condition::later:
      throw TempError("fatal: temporary child error");
    case Condition::no:
      return 0;
  }
  return 111;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("except", argc, argv, body);
}

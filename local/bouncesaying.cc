// bouncesaying ERROR [PROGRAM [ARG ...]]: bounces the message with ERROR, perhaps only if PROGRAM says so.
// man bouncesaying.
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "local/condition.h"

using namespace hato;

namespace {

int body(int argc, char** argv) {
  if (argc < 2) throw PermError("usage: bouncesaying error [ program [ arg ... ] ]");
  if (argc > 2) switch (ask_program("bouncesaying", argv + 2)) {
      case Condition::yes:
        break;
      case Condition::later:
        throw TempError("fatal: temporary child error");
      case Condition::no:
        return 0;
    }
  write_all(2, std::string(argv[1]) + "\n", "error");  // word for word: this is the bounce's text
  return 100;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("bouncesaying", argc, argv, body);
}

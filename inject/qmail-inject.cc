// qmail-inject(8): puts a message's header right and sends it.
#include <string>

#include "inject/injection.h"
#include "inject/options.h"
#include "lib/base/error.h"

namespace {

using namespace hato;

constexpr const char* usage = "usage: qmail-inject [ -nNaAhH ] [ -fsender ] [ recip ... ]";

int body(int argc, char** argv) {
  Injection injection;
  bool decide = true;  // -A: the arguments, or the header when there are none
  Options options(argc, argv, "aAhHnNf:");
  while (const auto option = options.next()) switch (option->letter) {
      case 'a':
      case 'h':
      case 'H':
        decide = false;
        injection.from_arguments = option->letter != 'h';
        injection.from_header = option->letter != 'a';
        break;
      case 'A':
        decide = true;
        break;
      case 'n':
        injection.print = true;
        break;
      case 'N':
        injection.print = false;
        break;
      case 'f':
        injection.sender = option->value;
        break;
      default:
        throw PermError(usage);
    }
  injection.recipients = options.operands();
  if (decide) {
    injection.from_arguments = !injection.recipients.empty();
    injection.from_header = injection.recipients.empty();
  }
  inject(injection);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-inject", argc, argv, body);
}

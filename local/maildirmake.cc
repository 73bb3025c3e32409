// maildirmake DIR: makes a Maildir. man maildirmake, maildir(5).
#include "lib/base/error.h"
#include "lib/store/maildir.h"

using namespace hato;

namespace {

int body(int argc, char** argv) {
  if (argc != 2) throw PermError("usage: maildirmake name");
  make_maildir(argv[1]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("maildirmake", argc, argv, body);
}

// datemail(1): sendmail with a Date field in local time.
#include <string>
#include <vector>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"

namespace {

using namespace hato;

int body(int argc, char** argv) {
  const std::string bin = std::string(conf::home) + "/bin/";
  std::vector<std::string> words = {bin + "predate", bin + "sendmail"};
  for (int i = 1; i < argc; ++i) words.emplace_back(argv[i]);
  exec_program(words);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("datemail", argc, argv, body);
}

// qmail-newmrh: control/morercpthosts becomes control/morercpthosts.cdb, for qmail-smtpd and qmail-qmtpd.
#include "lib/base/error.h"
#include "lib/net/relay_policy.h"
#include "lib/store/cdb.h"
#include "lib/store/control.h"

using namespace hato;

namespace {

int newmrh_body(int, char**) {
  const Control control;
  const std::optional<std::vector<std::string>> hosts = control.lines("morercpthosts");
  if (!hosts) throw TempError("unable to read " + control.path("morercpthosts") + ": it does not exist");
  CdbWriter writer(control.path("morercpthosts.cdb"));
  for (const std::string& host : *hosts) writer.add(rcpthosts_key(host), "");
  writer.commit();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-newmrh", argc, argv, newmrh_body);
}

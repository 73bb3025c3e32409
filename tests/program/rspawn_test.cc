// qmail-rspawn as an executable, with shell scripts in qmail-remote's place.
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/store/tcpto.h"
#include "tests/catch.h"
#include "tests/program/proc.h"
#include "tests/program/spawner.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("qmail-rspawn runs qmail-remote as qmailr and digests its report", "[qmail-rspawn]") {
  PrivateHome home{"qmail-rspawn"};
  const User qmailr = *passwd_user(conf::user_qmailr);
  // Hosts that did not answer are forgotten at the start.
  REQUIRE(mkdir(home.path("queue/lock").c_str(), 0755) == 0);
  home.write("queue/lock/tcpto", "");
  REQUIRE(chown(home.path("queue/lock/tcpto").c_str(), qmailr.uid, qmailr.gid) == 0);
  Tcpto(conf::home).failed(*IpAddress::parse("192.0.2.1"), 25, 1000);
  REQUIRE(Tcpto(conf::home).entries().size() == 1);
  Spawner spawner({home.path("bin/qmail-rspawn")});
  home.script(
      "qmail-remote",
      "printf 'r\\000K'; for a in \"$@\"; do echo \"[$a]\"; done; id -u; id -G; cat; printf '\\000'\n");
  spawner.request({5, "s@example.org", "a@b@example.net", "t", "", ""}, "the message\n");
  CHECK(spawner.report() ==
        DeliveryReport{5, 'K',
                       "[example.net]\n[s@example.org]\n[a@b@example.net]\n" + std::to_string(qmailr.uid) +
                           "\n" + std::to_string(qmailr.gid) + "\nthe message\n"});
  home.script("qmail-remote", "printf 'hno such user\\n\\000Kaccepted\\000'\n");
  CHECK(spawner.deliver("a@h") == "Dno such user\n");
  CHECK(Tcpto(conf::home).entries().empty());
  home.script("qmail-remote", "printf 'sbusy\\000ZGiving up.\\000'\n");
  CHECK(spawner.deliver("a@h") == "ZbusyGiving up.");
  home.script("qmail-remote", "kill -9 $$\n");
  CHECK(spawner.deliver("a@h") == "Zqmail-remote crashed.\n");
  home.script("qmail-remote", "exit 0\n");
  CHECK(spawner.deliver("a@h") == "Zqmail-remote produced no output.\n");
  CHECK(spawner.deliver("nohost") == "DSorry, address must include host name. (#5.1.3)\n");
  unlink(home.path("bin/qmail-remote").c_str());
  CHECK(spawner.deliver("a@h") == "ZUnable to run qmail-remote. (#4.3.0)\n");
  const std::string uid = std::to_string(qmailr.uid);
  CHECK(status_field(spawner.pid(), "Uid") == uid + "\t" + uid + "\t" + uid + "\t" + uid);
  CHECK(spawner.close() == 0);
}

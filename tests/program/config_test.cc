// config-fast and qmail-showctl as executables.
#include <sys/stat.h>

#include "lib/base/conf.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"

#include "lib/base/fd.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("config-fast writes a host's first control files", "[config-fast]") {
  PrivateHome home{"config-fast"};
  const auto control = [&](const std::string& name) {
    return read_file(home.path("control/" + name), 1000).value_or("none");
  };
  const Result result = run({home.path("bin/config-fast"), "a.b.example.jp"});
  CHECK(result.code == 0);
  CHECK(result.err == "");
  CHECK(result.out ==
        "Your fully qualified host name is a.b.example.jp.\nPutting a.b.example.jp into control/me...\n"
        "Putting b.example.jp into control/defaultdomain...\nPutting example.jp into control/plusdomain...\n"
        "Putting a.b.example.jp into control/locals...\nPutting a.b.example.jp into control/rcpthosts...\n"
        "Now qmail will refuse to accept SMTP messages except to a.b.example.jp.\n"
        "Make sure to change rcpthosts if you add hosts to locals or virtualdomains!\n");
  CHECK(control("me") == "a.b.example.jp\n");
  CHECK(control("defaultdomain") == "b.example.jp\n");
  CHECK(control("plusdomain") == "example.jp\n");
  struct stat status {};
  REQUIRE(stat(home.path("control/me").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0644);

  // lists grow, and not twice by the same name
  home.write("control/locals", "# ours\nother.example");
  CHECK(run({home.path("bin/config-fast"), "example.jp"}).code == 0);
  CHECK(run({home.path("bin/config-fast"), "example.jp"}).code == 0);
  CHECK(control("locals") == "# ours\nother.example\nexample.jp\n");
  CHECK(control("rcpthosts") == "a.b.example.jp\nexample.jp\n");
  CHECK(control("defaultdomain") == "example.jp\n");
  CHECK(control("plusdomain") == "example.jp\n");
}

TEST_CASE("config-fast wants a host name and the right to write", "[config-fast]") {
  PrivateHome home{"config-fast"};
  const std::string program = home.path("bin/config-fast");
  CHECK(run({program}).code == 100);
  for (const char* name : {"", "a b", "a..b", "[1.2.3.4]", "a\nb", "a.b."}) {
    CAPTURE(name);
    CHECK(run({program, name}).code == 100);
  }
  const Result stranger = run_as(61501, 61501, {program, "a.example"});
  CHECK(stranger.code == 111);
  CHECK(stranger.err ==
        "config-fast: cannot write " + home.path("control/") + ": run this as root, after make install\n");
  CHECK(read_file(home.path("control/me"), 100) == std::nullopt);
}

TEST_CASE("qmail-showctl shows every control file, or its default", "[qmail-showctl]") {
  PrivateHome home{"qmail-showctl"};
  const auto shown = [&] {
    const Result result = run({home.path("bin/qmail-showctl")});
    CHECK(result.err == "");
    CHECK(result.code == 0);
    return result.out;
  };
  const auto says = [&](const std::string& line) {
    CAPTURE(line);
    CHECK(shown().find("\n" + line + "\n") != std::string::npos);
  };
  // qmail-showctl(8)'s lines without any control file
  says("user-ext delimiter: " + std::string(conf::break_chars) + ".");
  says("subdirectory split: " + std::to_string(conf::split) + ".");
  says("badmailfrom: (Default.) Any MAIL FROM is allowed.");
  says("bouncefrom: (Default.) Bounce user name is MAILER-DAEMON.");
  says("bouncehost: (Default.) Bounce host name is bouncehost.");
  says("concurrencylocal: (Default.) Local concurrency is 10.");
  says("databytes: (Default.) SMTP DATA limit is 0 bytes.");
  says("me: (Default.) My name is undefined! Uh-oh.");
  says("rcpthosts: (Default.) SMTP clients may send messages to any recipient.");
  says("morercpthosts: (Default.) No rcpthosts; morercpthosts is irrelevant.");
  says("morercpthosts.cdb: (Default.) No effect.");
  says("queuelifetime: (Default.) Message lifetime in the queue is 604800 seconds.");

  home.write("control/me", "here.example  \nmore\n");
  home.write("control/smtpgreeting", "hello\tthere\n");
  home.write("control/concurrencylocal", "300\n");
  home.write("control/databytes", "-5\n");
  home.write("control/locals", "# comment\nhere.example\nalso.example \n");
  home.write("control/rcpthosts", "here.example\n");
  home.write("control/morercpthosts", "more.example\n");
  home.write("control/whatever", "x\n");
  says("me: My name is here.example.");
  says("bouncehost: (Default.) Bounce host name is here.example.");
  says("smtpgreeting: SMTP greeting: 220 hello?there.");
  says("concurrencylocal: Local concurrency is 300.");
  says("databytes: SMTP DATA limit is 0 bytes.");
  says(
      "locals: \nMessages for here.example are delivered locally.\nMessages for also.example are delivered "
      "locally.");
  says("rcpthosts: \nSMTP clients may send messages to recipients at here.example.");
  says("morercpthosts: \nSMTP clients may send messages to recipients at more.example.");
  says("morercpthosts.cdb: Oops! morercpthosts exists but morercpthosts.cdb doesn't: run qmail-newmrh.");
  says("whatever: I have no idea what this file does.");

  REQUIRE(mkdir(home.path("control/helohost").c_str(), 0755) == 0);
  says("helohost: Oops! Trouble reading this file.");
  CHECK(run({home.path("bin/qmail-showctl"), "x"}).code == 100);
}

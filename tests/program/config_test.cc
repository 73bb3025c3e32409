// config-fast as an executable.
#include <sys/stat.h>

#include "tests/program/private_home.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

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

// Control files (qmail-control(5), control.c of qmail for the corners).
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/store/control.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

struct Home {
  ScratchDirectory scratch;
  std::string path = scratch.path();
  Home() { scratch.directory("control"); }
  void write(const char* name, const std::string& text) const {
    const Fd fd = open_file(path + "/control/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(fd.get(), text, name);
  }
};

}  // namespace

TEST_CASE("one line") {
  const Home home;
  const Control control(home.path);
  CHECK_FALSE(control.line("x"));
  const auto [text, line] = GENERATE(table<const char*, const char*>({{"a\n", "a"},
                                                                      {"a", "a"},
                                                                      {"a b \t\n", "a b"},
                                                                      {"a\nb\n", "a"},
                                                                      {"", ""},
                                                                      {"\n", ""},
                                                                      {"a\r\n", "a"}}));
  home.write("x", text);
  CHECK(control.line("x") == std::string(line));
}

TEST_CASE("fallbacks: the file, me, the default") {
  const Home home;
  const Control control(home.path);
  CHECK(control.line_or_me("x", "default") == "default");
  CHECK_THROWS_AS(control.me(), TempError);
  home.write("me", "me.example\n");
  CHECK(control.line_or_me("x", "default") == "me.example");
  CHECK(control.line_or("x", "default") == "default");
  CHECK(control.me() == "me.example");
  home.write("x", "own\n");
  CHECK(control.line_or_me("x", "default") == "own");
}

TEST_CASE("numbers") {
  const Home home;
  const Control control(home.path);
  CHECK(control.number("x", 7) == 7);
  const auto [text, number] =
      GENERATE(table<const char*, std::int64_t>({{"20971520\n", 20971520},
                                                 {"0", 0},
                                                 {"12 bytes", 12},
                                                 {"none", 7},
                                                 {"-1", 7},
                                                 {"", 7},
                                                 {"99999999999999999999", INT64_MAX}}));
  home.write("x", text);
  CHECK(control.number("x", 7) == number);
}

TEST_CASE("lines: comments, empty lines and trailing blanks are not there") {
  const Home home;
  const Control control(home.path);
  CHECK_FALSE(control.lines("x"));
  home.write("x", "# comment\na.example \n\n \nb.example");
  CHECK(control.lines("x") == std::vector<std::string>{"a.example", "b.example"});
}

TEST_CASE("a file that cannot be read is an error, never a default") {
  const Home home;
  REQUIRE(mkdir((home.path + "/control/d").c_str(), 0755) == 0);
  CHECK_THROWS_AS(Control(home.path).line("d"), TempError);
  CHECK_THROWS_AS(Control(home.path).number("d", 1), TempError);
  rmdir((home.path + "/control/d").c_str());
}

// Which instructions govern a delivery (lib/store/orders.h), and what they may be below control/dotdir.
#include "lib/store/orders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/mail/suite_command.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr uid_t panel = 64310, customer = 64311;

class Place {
 public:
  Place() {
    for (const char* part : {"control", "home", "dots"}) scratch.directory(part);
    own("dots", panel);
    home = open_file(path + "/home", O_RDONLY | O_DIRECTORY);
  }
  void file(const std::string& name, const std::string& text, mode_t mode = 0640, uid_t owner = panel) const {
    const std::string full = path + "/" + name;
    write_all(open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), text, full);
    REQUIRE(chmod(full.c_str(), mode) == 0);
    own(name, owner);
  }
  void directory(const std::string& name, mode_t mode = 0750, uid_t owner = panel) const {
    REQUIRE(mkdir((path + "/" + name).c_str(), 0700) == 0);
    REQUIRE(chmod((path + "/" + name).c_str(), mode) == 0);
    own(name, owner);
  }
  void own(const std::string& name, uid_t owner) const {
    REQUIRE(lchown((path + "/" + name).c_str(), owner, owner) == 0);
  }
  void dotdir() const { file("control/dotdir", path + "/dots\n", 0644, 0); }
  OrdersQuestion question(const std::string& ext = "", bool any = false) const {
    return {"abc", path + "/home", ext.empty() ? "" : "-", ext, "./Maildir/", any, false};
  }
  // "FILE: TEXT", a default in <>, or what is wrong.
  std::string ask(const OrdersQuestion& asked) const {
    try {
      const std::optional<Orders> orders = DotfilePlace(Control(path), asked, home.get()).orders(asked, "-");
      if (!orders) return "nobody";
      const Dotfile dotfile = orders->parse();
      return orders->file + ": " + (orders->by_default ? "<" + orders->text + ">" : orders->text) +
             (orders->default_part ? "[" + *orders->default_part + "]" : "") +
             (orders->forward_only ? "x" : "") + (dotfile.problem ? "!" + *dotfile.problem : "");
    } catch (const TempError& e) {
      return e.text();
    }
  }
  std::string ask(const std::string& ext = "", bool any = false) const { return ask(question(ext, any)); }

  ScratchDirectory scratch;
  std::string path = scratch.path();
  Fd home;
};

}  // namespace

TEST_CASE("orders: the home's dot-files by qmail's rule", "[orders]") {
  const Place place;
  CHECK(place.ask() == ": <./Maildir/>");
  CHECK(place.ask("x") == "nobody");
  CHECK(place.ask("x", true) == ": <./Maildir/>");
  place.file("home/.qmail", "&a@b", 0600, customer);
  place.file("home/.qmail-empty", "", 0700, customer);
  place.file("home/.qmail-x-default", "&c@d", 0700, customer);
  CHECK(place.ask() == ".qmail: &a@b");
  CHECK(place.ask("empty") == ".qmail-empty: <./Maildir/>");
  CHECK(place.ask("x-y", true) == ".qmail-x-default: &c@d[y]x");
  CHECK(place.ask("y", true) == ": <./Maildir/>");  // .qmail is not for extensions
  place.file("home/.qmail-p", "|true\n/elsewhere/", 0600, customer);
  CHECK(place.ask("p") == ".qmail-p: |true\n/elsewhere/");  // not confined
}

TEST_CASE("orders: with control/dotdir only what the panel wrote", "[orders]") {
  const Place place;
  place.dotdir();
  place.file("home/.qmail", "&thief@example", 0600, customer);
  place.file("home/.qmail-x", "&thief@example", 0600, customer);
  place.file("home/.qmail-x-owner", "", 0600, customer);
  const auto owner = [&] {
    return DotfilePlace(Control(place.path), place.question("x"), place.home.get()).list_owner("-", "x");
  };
  CHECK(place.ask() == ": <./Maildir/>");  // no directory: no rules
  CHECK(place.ask("x") == "nobody");
  CHECK(place.ask("x", true) == ": <./Maildir/>");
  CHECK(owner() == ListOwner::none);
  place.directory("dots/abc");
  CHECK(place.ask("x") == "nobody");
  CHECK(owner() == ListOwner::none);
  place.file("dots/abc/.qmail-x", "&a@b");
  place.file("dots/abc/.qmail-default", "&c@d", 0600, 0);
  place.file("dots/abc/.qmail-x-owner", "");
  CHECK(place.ask("X") == ".qmail-x: &a@b");
  CHECK(place.ask("a.b") == ".qmail-default: &c@d[a.b]");
  CHECK(owner() == ListOwner::owner);
  CHECK(place.ask() == ": <./Maildir/>");

  SECTION("alias' stay in his home") {
    OrdersQuestion alias = place.question("x");
    alias.user = conf::user_alias;
    CHECK(place.ask(alias) == ".qmail-x: &thief@example");
  }
  SECTION("hostile extensions name no other file") {
    place.directory("dots/victim");
    place.file("dots/victim/.qmail-s", "&secret@example");
    for (const char* ext : {"../victim/.qmail-s", "/../../victim/.qmail-s", "x/../x", "../../home/.qmail",
                            "x/", "\n", "x\nx", "%00", "-", "--x", ":", "x:", "::/::/etc/passwd"}) {
      CAPTURE(ext);
      CHECK(place.ask(ext) == std::string(".qmail-default: &c@d[") + ext + "]");
    }
    place.directory("dots/abc/.qmail-d");
    place.file("dots/abc/.qmail-d/s", "&sub@example");
    CHECK(place.ask("d/s") == ".qmail-default: &c@d[d/s]");
    const std::string all_of_it(100000, 'y');
    CHECK(place.ask(all_of_it) == ".qmail-default: &c@d[" + all_of_it + "]");
  }
  SECTION("a name that is no directory's") {
    for (const char* user : {"..", ".", "", "abc/../victim", "/etc"}) {
      OrdersQuestion asked = place.question();
      asked.user = user;
      CAPTURE(user);
      CHECK(place.ask(asked) ==
            "Uh-oh: this user's name cannot name a directory below control/dotdir. (#4.3.5)");
    }
  }
  SECTION("who else could have written it") {
    const std::string writable = "Uh-oh: .qmail file is writable. (#4.7.0)";
    const std::string foreign = "Uh-oh: .qmail file does not belong to the panel. (#4.7.0)";
    const std::string directory =
        "Uh-oh: the directory of dot-files may be written by others than the panel. (#4.7.0)";
    place.own("dots/abc/.qmail-x", customer);
    CHECK(place.ask("x") == foreign);
    place.file("dots/abc/.qmail-x", "&a@b", 0660);
    CHECK(place.ask("x") == writable);
    place.own("dots/abc", customer);
    CHECK(place.ask("y") == directory);
    place.own("dots/abc", panel);
    REQUIRE(chmod((place.path + "/dots/abc").c_str(), 0770) == 0);
    CHECK(place.ask("y") == directory);
    REQUIRE(chmod((place.path + "/dots/abc").c_str(), 0750) == 0);
    REQUIRE(chmod((place.path + "/dots").c_str(), 01777) == 0);
    CHECK(place.ask("y") == "Uh-oh: control/dotdir may be written by others than the panel. (#4.7.0)");
  }
  SECTION("symbolic links") {
    REQUIRE(symlink((place.path + "/home/.qmail").c_str(), (place.path + "/dots/abc/.qmail-l").c_str()) == 0);
    CHECK(place.ask("l") == "Unable to open .qmail-l: Too many levels of symbolic links. (#4.3.0)");
    REQUIRE(symlink("abc", (place.path + "/dots/other").c_str()) == 0);
    OrdersQuestion other = place.question("x");
    other.user = "other";
    CHECK(place.ask(other) == "Unable to open " + place.path + "/dots/other: Not a directory. (#4.3.0)");
  }
  SECTION("a directory that is not there is no decision") {
    place.file("control/dotdir", "/nonexistent\n", 0644, 0);
    CHECK(place.ask("x") == "Unable to open /nonexistent: No such file or directory. (#4.3.0)");
    place.file("control/dotdir", "dots\n", 0644, 0);
    CHECK(place.ask("x") == "Uh-oh: control/dotdir is not an absolute path. (#4.3.5)");
  }
}

TEST_CASE("orders: the panel's directory may be root's, and what is in it qmailc's", "[orders]") {
  const Place place;
  place.dotdir();
  place.own("dots", 0);
  place.directory("dots/abc", 0750, customer);
  CHECK(place.ask("x", true) ==
        "Uh-oh: the directory of dot-files may be written by others than the panel. (#4.7.0)");
  place.own("dots/abc", 0);
  place.file("dots/abc/.qmail-x", "&a@b", 0640, 0);
  CHECK(place.ask("x") == ".qmail-x: &a@b");
}

TEST_CASE("orders: what the panel's instructions may be", "[orders]") {
  const Place place;
  place.dotdir();
  place.directory("dots/abc");
  const std::string home = place.path + "/home";
  const std::string no_program =
      "!Uh-oh: line 1 of .qmail file runs a program, which is not allowed here. (#4.7.0)";
  const std::string outside =
      "!Uh-oh: line 1 of .qmail file names a file outside the home directory. (#4.7.0)";
  const auto ask = [&](const std::string& text, const OrdersQuestion& question) {
    place.file("dots/abc/.qmail", text);
    const std::string told = place.ask(question);
    REQUIRE(told.starts_with(".qmail: " + text));
    return told.substr(8 + text.size());
  };
  for (const char* text :
       {"./Maildir/", "./Maildir/.Sub/", "./mbox", "./", "./a//b", "&a@b", "# x", "+list", "./..a",
        "|bouncesaying 'no more'", "|qmail-vacation", "|  qmail-vacation a 'b c'"})
    CHECK(ask(text, place.question()) == "");
  CHECK(ask(home + "/Maildir/", place.question()) == "");
  for (const char* text : {"|true", "|bouncesaying a b", "|bouncesaying 'a' && true", "|/bin/bouncesaying x",
                           "|qmail-vacation `true`", "|qmail-vacation $HOME", "|qmail-vacation \"x\"", "|"})
    CHECK(ask(text, place.question()) == no_program);
  for (const char* text : {"/etc/x", "/", "../x", "./../x", "./a/../../x", "./a/..", "..", "/home/../x"})
    CHECK(ask(text, place.question()) == outside);
  CHECK(ask(home + "s/x", place.question()) == outside);
  CHECK(ask(home + "/../x", place.question()) == outside);
  OrdersQuestion allowed = place.question();
  allowed.programs = true;
  CHECK(ask("|true", allowed) == "");
  CHECK(ask("/etc/x", allowed) == outside);
  OrdersQuestion elsewhere = place.question();
  elsewhere.default_delivery = "/var/mail/abc/";
  CHECK(ask("/var/mail/abc/", elsewhere) == "");  // the account's own mailbox
  CHECK(ask("/var/mail/abcd/", elsewhere) == outside);
  CHECK(ask("./Maildir/\n&a@b\n|true", place.question()) ==
        "!Uh-oh: line 3 of .qmail file runs a program, which is not allowed here. (#4.7.0)");
  place.file("dots/abc/.qmail", "");
  CHECK(place.ask(elsewhere) == ".qmail: </var/mail/abc/>");
}

TEST_CASE("orders: a mailbox below the home, also where links are", "[orders]") {
  const Place place;
  const auto check = [&](const char* path, bool maildir) -> std::string {
    try {
      require_below_home(place.home.get(), path, maildir);
      return "";
    } catch (const TempError& e) {
      return e.text();
    }
  };
  place.directory("home/Maildir");
  place.directory("home/Maildir/tmp");
  place.directory("home/Maildir/new");
  place.directory("home/half");
  place.directory("outside");
  CHECK(check("./Maildir/", true) == "");
  CHECK(check("Maildir//", true) == "");
  CHECK(check("./none/", true) == "");
  CHECK(check("./none", false) == "");
  CHECK(check("", true) == "");
  const std::string link = place.path + "/home/link", half = place.path + "/home/half/new";
  REQUIRE(symlink((place.path + "/outside").c_str(), link.c_str()) == 0);
  REQUIRE(symlink("../Maildir/new", half.c_str()) == 0);
  CHECK(check("./link", false) == "Uh-oh: ./link leads out of the home directory. (#4.7.0)");
  CHECK(check("./link/", true) == "Uh-oh: ./link leads out of the home directory. (#4.7.0)");
  CHECK(check("./link/x", false) == "Uh-oh: ./link/x leads out of the home directory. (#4.7.0)");
  CHECK(check("./half/", true) == "Uh-oh: ./half/new leads out of the home directory. (#4.7.0)");
  CHECK(check("./half/../../outside", false) ==
        "Uh-oh: ./half/../../outside leads out of the home directory. (#4.7.0)");
}

TEST_CASE("program lines without a shell", "[orders]") {
  struct Row {
    const char *command, *words;  // each word in brackets; "": not such a line
  };
  for (const Row& row : {
           Row{"bouncesaying x", "[bouncesaying][x]"},
           Row{"bouncesaying 'no such user'", "[bouncesaying][no such user]"},
           Row{"  bouncesaying\t'x'  ", "[bouncesaying][x]"},
           Row{"bouncesaying 'it'\\''s closed'", "[bouncesaying][it's closed]"},
           Row{"bouncesaying ''", "[bouncesaying][]"},
           Row{"bouncesaying a'b c'd\\'e", "[bouncesaying][ab cd'e]"},
           Row{"bouncesaying '$(x) `y` \"z\" \\ ; | & < > * # 日本'",
               "[bouncesaying][$(x) `y` \"z\" \\ ; | & < > * # 日本]"},
           Row{"'bouncesaying' x", "[bouncesaying][x]"},
           Row{"qmail-vacation", "[qmail-vacation]"},
           Row{"qmail-vacation -i 7 ./v.txt a@b=c", "[qmail-vacation][-i][7][./v.txt][a@b=c]"},
           Row{"bouncesaying", ""},
           Row{"bouncesaying x y", ""},
           Row{"bouncesaying 'x", ""},
           Row{"bouncesaying x\\", ""},
           Row{"bouncesaying x\\y", ""},
           Row{"bouncesaying x;true", ""},
           Row{"bouncesaying x # y", ""},
           Row{"bouncesaying 日本", ""},
           Row{"./bouncesaying x", ""},
           Row{"BOUNCESAYING x", ""},
           Row{"X=1 bouncesaying x", ""},
           Row{"sh -c x", ""},
           Row{"qmail-vacationx", ""},
           Row{"", ""},
           Row{"bouncesaying x\ntrue", ""},
       }) {
    const std::optional<std::vector<std::string>> words = parse_suite_command(row.command);
    std::string got;
    if (words)
      for (const std::string& word : *words) got += "[" + word + "]";
    CAPTURE(row.command);
    CHECK(got == row.words);
    if (words) CHECK(parse_suite_command(suite_command(*words)) == words);
  }
  CHECK_FALSE(parse_suite_command(std::string_view("bouncesaying x\0y", 16)));
  CHECK(suite_command({"bouncesaying", "it's closed"}) == "bouncesaying 'it'\\''s closed'");
  CHECK(suite_command({"qmail-vacation", "-i", ""}) == "qmail-vacation -i ''");
}

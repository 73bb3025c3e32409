#include "lib/mail/dotfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/mail/closed_address.h"
#include "lib/store/dotfile.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
using Kind = DotfileInstruction::Kind;

namespace {

// "program echo x; forward a@b; ! problem": a dot-file in one line.
std::string told(const Dotfile& dotfile) {
  std::string text;
  for (const DotfileInstruction& i : dotfile.instructions) {
    const char* names[] = {"comment", "program", "forward", "mbox", "maildir", "list", "reserved", "suite"};
    text += std::string(names[static_cast<int>(i.kind)]) + "<" + std::string(i.text) + ">";
  }
  if (dotfile.problem) text += "!" + *dotfile.problem;
  return text;
}

struct Place {
  void file(const std::string& name, const std::string& text = "#\n", mode_t mode = 0600) const {
    const std::string full = path + "/" + name;
    write_all(open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text, full);
    REQUIRE(chmod(full.c_str(), mode) == 0);
  }

  ScratchDirectory scratch;
  std::string path = scratch.path();
  Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
};

}  // namespace

TEST_CASE("dot-qmail(5): each kind of line") {
  struct Row {
    std::string_view text;
    const char* expected;
  };
  const Row rows[] = {
      {"# this is a comment\n", "comment<# this is a comment>"},
      {"|preline vacation\n", "program<preline vacation>"},
      {"&me@new.example\n", "forward<me@new.example>"},
      {"me@new.example\n", "forward<me@new.example>"},
      {"/home/djb/Mailbox.sos\n", "mbox</home/djb/Mailbox.sos>"},
      {"./Mailbox", "mbox<./Mailbox>"},  // no LF at the end of the file
      {"./Maildir/\n", "maildir<./Maildir/>"},
      {"|bouncesaying 'no'\n", "suite<bouncesaying 'no'>"},
      {"/\n", "maildir</>"},
      {"#\n\n./Maildir/ \t\n", "comment<#>comment<>maildir<./Maildir/>"},  // blanks at the end of a line
      {"&a@b\t \n", "forward<a@b>"},
      {"|exit 99 \n", "program<exit 99>"},
      {"+list\na@b\n", "list<+list>forward<a@b>"},
      {"+other\n./Mailbox\n",
       "reserved<+other>mbox<./Mailbox>"},  // qmail-local.c ignores what it does not know
      {" a@b\n", "forward< a@b>"},          // extra spaces are part of the address
      {"a@b\n\n\nc@d", "forward<a@b>comment<>comment<>forward<c@d>"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(told(parse_dotfile(row.text, false)) == row.expected);
  }
}

TEST_CASE("dot-qmail(5): what stops a delivery") {
  const std::string x_file = "!Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)";
  const std::string x_prog = "!Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)";
  const std::string blank = "!Uh-oh: first line of .qmail file is blank. (#4.2.1)";
  struct Row {
    std::string_view text;
    bool forward_only;
    std::string expected;
  };
  const Row rows[] = {
      {"", false, blank},
      {"\n./Mailbox\n", false, blank},
      {" \t\n", false, blank},
      {"./Mailbox\n", true, x_file},
      {"./Maildir/\n", true, x_file},
      {"a@b\n|true\n", true, "forward<a@b>" + x_prog},
      {"a@b\n#\n\n", true, "forward<a@b>comment<#>comment<>"},
      {"./Maildir/\n+list\n./Mailbox\n", false, "maildir<./Maildir/>list<+list>" + x_file},
      {"+list\n|true\n", false, "list<+list>" + x_prog},
      {"a@b\n&\n", false,
       "forward<a@b>!Uh-oh: line 2 of .qmail file forwards to nobody; write the address after the &. "
       "(#4.2.1)"},
      {std::string_view("a@b\n|a\0b\n", 9), false,
       "forward<a@b>!Uh-oh: line 2 of .qmail file has a NUL byte. (#4.2.1)"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(told(parse_dotfile(row.text, row.forward_only)) == row.expected);
  }
}

TEST_CASE("dot-qmail(5): which files are tried, and what DEFAULT is") {
  struct Row {
    const char *dash, *ext, *breaks;
    const char* expected;  // names with the rest that default stands for
  };
  const Row rows[] = {
      {"", "", "-", ".qmail "},
      {"-", "foo", "-", ".qmail-foo .qmail-default=foo "},
      {"-", "foo-bar", "-", ".qmail-foo-bar .qmail-foo-default=bar .qmail-default=foo-bar "},
      {"-", "a-", "-", ".qmail-a- .qmail-a-default= .qmail-default=a- "},
      {"-", "a-b-", "-", ".qmail-a-b- .qmail-a-b-default= .qmail-a-default=b- .qmail-default=a-b- "},
      {"-", "", "-", ".qmail- .qmail-default= "},
      {"-", "A.B", "-", ".qmail-a:b .qmail-default=A.B "},  // lower case, dots are colons
      {"-", "../../x", "-", ".qmail-::/::/x .qmail-default=../../x "},
      {"-", "x-default", "-", ".qmail-x-default=default .qmail-x-default=default .qmail-default=x-default "},
      {"-/", "a-b", "-", ".qmail-/a-b .qmail-/a-default=b .qmail-/default=a-b "},
      {"-", "a+b", "-", ".qmail-a+b .qmail-default=a+b "},
      {"-", "a+b", "-+", ".qmail-a+b .qmail-a+default=b .qmail-default=a+b "},  // conf-break
      {"", "x", "-", ".qmailx .qmaildefault=x "},
  };
  for (const Row& row : rows) {
    std::string got;
    for (const DotfileName& name : dotfile_names(row.dash, row.ext, row.breaks)) {
      got += name.name;
      if (name.default_at) got += "=" + std::string(row.ext).substr(*name.default_at);
      got += " ";
    }
    CHECK(got == row.expected);
  }
}

TEST_CASE("A dot-file is chosen by name, kind and mode") {
  const Place home;
  const auto chosen = [&](const char* ext) {
    const std::optional<DotfileChoice> choice = find_dotfile(home.fd.get(), "-", ext, "-");
    return choice ? choice->name.name + (choice->forward_only ? " x" : "") : "none";
  };
  CHECK(chosen("foo-bar") == "none");
  home.file(".qmail-default", "#\n", 0700);
  CHECK(chosen("foo-bar") == ".qmail-default x");
  home.file(".qmail-foo-default", "#\n", 0610);  // only the owner's x bit counts
  CHECK(chosen("foo-bar") == ".qmail-foo-default");
  REQUIRE(mkdir((home.path + "/.qmail-foo-bar").c_str(), 0700) ==
          0);  // no regular file: as if it were not there
  CHECK(chosen("foo-bar") == ".qmail-foo-default");
  REQUIRE(mkfifo((home.path + "/.qmail-pipe").c_str(), 0600) == 0);
  CHECK(chosen("pipe") == ".qmail-default x");
  REQUIRE(symlink("/nonexistent", (home.path + "/.qmail-link").c_str()) == 0);
  CHECK(chosen("link") == ".qmail-default x");
  CHECK(chosen(std::string(300, 'x').c_str()) == ".qmail-default x");  // ENAMETOOLONG
  for (const mode_t mode : {0620, 0602}) {
    home.file(".qmail-open", "#\n", mode);
    CHECK_THROWS_WITH(chosen("open"), "Uh-oh: .qmail file is writable. (#4.7.0)");
  }
}

TEST_CASE("A home that others can write to, or that is being edited") {
  CHECK(home_state(0755) == HomeState::fine);
  CHECK(home_state(02755) == HomeState::fine);
  CHECK(home_state(0775) == HomeState::writable);
  CHECK(home_state(0757) == HomeState::writable);
  CHECK(home_state(01755) == HomeState::sticky);
  CHECK(home_state(01777) == HomeState::writable);
}

TEST_CASE("-owner and -owner-default files make the owner the sender") {
  const Place home;
  CHECK(list_owner(home.fd.get(), "-", "List") == ListOwner::none);
  home.file(".qmail-list-owner-default");
  CHECK(list_owner(home.fd.get(), "-", "List") == ListOwner::none);  // both are needed for VERP
  home.file(".qmail-list-owner");
  CHECK(list_owner(home.fd.get(), "-", "List") == ListOwner::verp);
  unlink((home.path + "/.qmail-list-owner-default").c_str());
  CHECK(list_owner(home.fd.get(), "-", "List") == ListOwner::owner);
}

TEST_CASE("a closed address: what its dot-file says") {
  struct Row {
    const char* text;
    std::optional<std::string> words;
  };
  const Row rows[] = {
      {"|bouncesaying closed\n", "closed"},
      {"|bouncesaying 'it'\\''s closed'", "it's closed"},
      {"|bouncesaying ''\n", ""},
      {"# why\n\n+word\n&a@b\nc@d\n|bouncesaying x\n./Maildir/\n", "x"},  // forwards come last
      {"|bouncesaying x\n&\n", "x"},                                      // as refuse_broken lets it
      {"./Maildir/\n|bouncesaying x\n", std::nullopt},
      {"./mbox\n|bouncesaying x\n", std::nullopt},
      {"|true\n|bouncesaying x\n", std::nullopt},  // may exit 99
      {"|qmail-vacation x\n|bouncesaying x\n", std::nullopt},
      {"|bouncesaying x false\n", std::nullopt},  // only if a program says so
      {"&\n|bouncesaying x\n", std::nullopt},     // the file is wrong before
      {"+list\n|bouncesaying x\n", std::nullopt},
      {"#|bouncesaying x\n", std::nullopt},
      {"", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(closing_words(parse_dotfile(row.text, false)) == row.words);
  }
  CHECK_FALSE(closing_words(parse_dotfile("|bouncesaying x\n", true)));
}

TEST_CASE("a closed address: what is said at RCPT") {
  const std::string usual = "550 5.7.1 sorry, this address takes no mail (#5.7.1)";
  struct Row {
    std::string words, reply;
  };
  const Row rows[] = {
      {"closed", "550 5.7.1 closed (#5.7.1)"},
      {" a\tb\r\x7f ", "550 5.7.1 a b (#5.7.1)"},
      {"", usual},
      {" \t\r", usual},
      {"closed \xe9\x96\x89", usual},
      {std::string(450, 'x'), "550 5.7.1 " + std::string(450, 'x') + " (#5.7.1)"},
      {std::string(451, 'x'), "550 5.7.1 " + std::string(450, 'x') + " (#5.7.1)"},
      {std::string(451, 'x') + "\xff", usual},
  };
  for (const Row& row : rows) {
    INFO(row.words);
    CHECK(closed_reply(row.words) == row.reply);
  }
}

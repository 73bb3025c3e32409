// Rules as dot-files and back (lib/mail/rule.h), and as JSON (admin/rule_json.h).
#include "lib/mail/rule.h"

#include "admin/rule_command.h"
#include "admin/rule_json.h"
#include "lib/mail/mailbox_name.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

constexpr char mailbox[] = "./Maildir/";

Rule forwarding(std::vector<std::string> to, bool keep = false) {
  Rule rule;
  rule.forward = std::move(to);
  rule.keep = keep;
  return rule;
}

std::string edited(std::string_view text, const Rule& rule, bool forward_only = false) {
  return edit_rule(text, rule, mailbox, forward_only);
}

// The rule that a file has after this JSON was applied to it.
std::string set(const std::string& text, const std::string& json) {
  const RuleText before = read_rule(text, mailbox, false);
  return edited(text, changed_rule(JsonValue::parse(json), before));
}

std::string why_not(const std::string& text, const std::string& json) {
  try {
    return "taken: " + set(text, json);
  } catch (const RuleError& e) {
    return e.field() + ": " + e.text();
  }
}

}  // namespace

TEST_CASE("rule: what is read from a dot-file", "[rule]") {
  const RuleText text = read_rule(
      "# by hand\n|qmail-vacation -s Away -u 2026-12-31 'Back soon.\\n'\n|/usr/local/bin/filter "
      "x\n./Maildir/.Shop/ \t\n"
      "&a@example.org\nb@example.net\n&joe\n&a@example.org\n./Mailbox\n",
      mailbox, false);
  CHECK(text.rule.forward == std::vector<std::string>{"a@example.org", "b@example.net"});
  CHECK(text.rule.keep);
  CHECK(text.rule.folder == "Shop");
  REQUIRE(text.rule.vacation);
  CHECK(text.rule.vacation->text == "Back soon.\n");
  CHECK(text.rule.vacation->subject == "Away");
  CHECK(text.rule.vacation->until == "2026-12-31");
  CHECK(text.others ==
        std::vector<std::string>{"# by hand", "|/usr/local/bin/filter x", "&joe", "./Mailbox"});
  CHECK(text.others_deliver);
  CHECK_FALSE(text.problem);

  CHECK(read_rule("", mailbox, false).rule == Rule());  // an empty file is the default delivery
  CHECK(read_rule("#\n", mailbox, false).rule.discards());
  CHECK(read_rule("|bouncesaying 'It'\\''s closed.'\n", mailbox, false).rule.refusal == "It's closed.");
  CHECK(read_rule("#|qmail-vacation -- x\n", mailbox, false).rule.vacation_on == false);
  // Not ours: another program behind it, another quoting, a second one.
  for (const char* line : {"|bouncesaying no true\n", "|bouncesaying \"no\"\n", "|qmail-vacation $x\n",
                           "|qmail-vacation -z 1 x\n", "./Maildir/x/\n", "./Maildir/..Shop/\n",
                           "/home/abc/Maildir/\n", "& a@example.org\n", "&a@\n"}) {
    INFO(line);
    CHECK(read_rule(line, mailbox, false).others.size() == 1);
  }
  CHECK(read_rule("./Maildir/\n./Maildir/.B/\n", mailbox, false).others ==
        std::vector<std::string>{"./Maildir/.B/"});
  CHECK(read_rule("\n./Maildir/\n", mailbox, false).problem);
  CHECK(read_rule("&a@b.example\n|x\n", mailbox, true).problem);
}

TEST_CASE("rule: an edit leaves alone what it does not understand", "[rule]") {
  struct Row {
    std::string before;
    Rule rule;
    std::string after;
  };
  Rule with_folder = forwarding({"a@x.example"}, true);
  with_folder.folder = "Work/\xe4\xbb\x95\xe4\xba\x8b";
  Rule replying = forwarding({}, true);
  replying.vacation = Vacation{.text = "It's\nme", .subject = "", .from = "", .until = ""};
  Rule switched_off = replying;
  switched_off.vacation_on = false;
  Rule closed = forwarding({});
  closed.refusal = "closed";
  const Row rows[] = {
      {"", forwarding({"a@x.example", "b@x.example"}), "&a@x.example\n&b@x.example\n"},
      {"", forwarding({}, true), "./Maildir/\n"},
      {"", with_folder, "./Maildir/.Work.&TtVOiw-/\n&a@x.example\n"},
      {"", forwarding({}), "# qmail-dot: mail for this address is thrown away\n"},
      {"# qmail-dot: mail for this address is thrown away\n", forwarding({}, true), "./Maildir/\n"},
      {"", replying, "|qmail-vacation -- 'It'\\''s\\nme'\n./Maildir/\n"},
      {"|qmail-vacation -- 'It'\\''s\\nme'\n./Maildir/\n", switched_off,
       "#|qmail-vacation -- 'It'\\''s\\nme'\n./Maildir/\n"},
      {"#|qmail-vacation -- 'It'\\''s\\nme'\n./Maildir/\n", replying,
       "|qmail-vacation -- 'It'\\''s\\nme'\n./Maildir/\n"},
      // by hand, with and without an LF at its end
      {"# mine \t\n|filter || exit 99\n./Maildir/ \nold@x.example\n\n./Mailbox",
       forwarding({"old@x.example", "new@x.example"}, true),
       "# mine \t\n|filter || exit 99\n./Maildir/ \nold@x.example\n&new@x.example\n\n./Mailbox\n"},
      {"# mine\n|filter\n./Maildir/\nold@x.example\n", forwarding({}), "# mine\n|filter\n"},
      {"# mine\n|filter\n&a@x.example\n", forwarding({"a@x.example"}, true),
       "# mine\n|filter\n./Maildir/\n&a@x.example\n"},
      {"# mine\n|filter\n", closed, "# mine\n|bouncesaying closed\n|filter\n"},
      {"+list\n&a@x.example\n", forwarding({"b@x.example"}, true), "./Maildir/\n+list\n&b@x.example\n"},
      // a second copy stays as long as there is a first
      {"./Maildir/\n./Maildir/.B/\n", forwarding({"a@x.example"}, true),
       "./Maildir/\n./Maildir/.B/\n&a@x.example\n"},
      {"./Maildir/\n./Maildir/.B/\n|filter\n", forwarding({"a@x.example"}), "|filter\n&a@x.example\n"},
      {"&a@x.example\n&b@x.example\n&a@x.example\n", forwarding({"b@x.example"}), "&b@x.example\n"},
  };
  for (const Row& row : rows) {
    INFO(row.before);
    CHECK(edited(row.before, row.rule) == row.after);
    CHECK(read_rule(row.after, mailbox, false).rule == row.rule);
    CHECK(edited(row.after, row.rule) == row.after);  // the second time nothing is left to do
  }
}

TEST_CASE("rule: JSON changes what it names", "[rule]") {
  CHECK(set("", R"({"forward":["a@x.example"]})") ==
        "./Maildir/\n&a@x.example\n");  // a copy stays unless told
  CHECK(set("", R"({"forward":["a@x.example"],"keep":false})") == "&a@x.example\n");
  CHECK(set("./Maildir/\n&a@x.example\n", R"({"folder":"Shop"})") == "./Maildir/.Shop/\n&a@x.example\n");
  CHECK(set("./Maildir/.Shop/\n&a@x.example\n", R"({"keep":false})") == "&a@x.example\n");
  CHECK(set("&a@x.example\n./Maildir/\n", R"({"refusal":"closed"})") == "|bouncesaying closed\n");
  CHECK(set("&a@x.example\n", R"({"discard":true})") ==
        "# qmail-dot: mail for this address is thrown away\n");
  CHECK(set("|filter\n&a@x.example\n", R"({"forward":[]})") == "|filter\n");  // the filter sees to the mail
  CHECK(set("", R"({"vacation":{"text":"a\r\nb"}})") == "|qmail-vacation -- 'a\\nb'\n./Maildir/\n");
  // what get gave can be sent back
  const std::string text = "# by hand\n|qmail-vacation -d 3 -- x\n./Maildir/.A.B/\n&\"a b\"@x.example\n";
  const std::string plain = "# by hand\n|qmail-vacation -d 3 -- x\n./Maildir/.A.B/\n&a b@x.example\n";
  CHECK(read_rule(text, mailbox, false).rule.forward == std::vector<std::string>{"\"a b\"@x.example"});
  CHECK(set(plain, rule_json({"abc", "", ".qmail", true}, read_rule(plain, mailbox, false))) == plain);
  CHECK(set("|bouncesaying no\n", rule_json({}, read_rule("|bouncesaying no\n", mailbox, false))) ==
        "|bouncesaying no\n");
}

TEST_CASE("rule: what cannot be is refused in a sentence", "[rule]") {
  struct Row {
    const char *text, *json, *why;
  };
  const Row rows[] = {
      {"", R"({"forward":["joe"]})", "forward: \"joe\" is not a complete address"},
      {"", R"({"forward":["a@x.example\n|rm"]})", "forward: "},
      {"", R"({"forward":["|rm@x.example"]})",
       "taken: ./Maildir/\n&|rm@x.example\n"},  // an address all the same
      {"", R"({"forward":["<a@x.example>"]})", "forward: "},
      {"", R"({"forward":["a@x.example, b@x.example"]})", "forward: "},
      {"", R"({"forward":["a@x.example","a@x.example"]})", "forward: a@x.example is there twice"},
      {"", R"({"forward":"a@x.example"})", "forward: forward is a list"},
      {"", R"({"keep":false})", "keep: nothing would become of the mail"},
      {"", R"({"keep":1})", "keep: "},
      {"", R"({"folder":"../x"})", "folder: "},
      {"", R"({"folder":"a\nb"})", "folder: "},
      {"", R"({"folder":"Shop","keep":false,"forward":["a@x.example"]})", "folder: a folder is for the copy"},
      {"", R"({"refusal":"a\n|rm"})", "refusal: "},
      {"", R"({"refusal":""})", "refusal: "},
      {"", R"({"refusal":"x","keep":true})", "refusal: an address that refuses"},
      {"", R"({"discard":true,"keep":true})", "discard: "},
      {"", R"({"vacation":{"text":""}})", "vacation: "},
      {"", R"({"vacation":{"text":"x","until":"2026-02-30"}})", "vacation: until must be"},
      {"", R"({"vacation":{"text":"x","from":"2026-02-03","until":"2026-02-02"}})",
       "vacation: the reply would end"},
      {"", R"({"vacation":{"text":"x","days":0}})", "vacation: "},
      {"", R"({"vacation":{"text":"x","cc":"y"}})", "vacation: vacation has no member"},
      {"", R"({"forwards":[]})", ": a rule has no member"},
      {"", R"([])", ": a rule is a JSON object"},
      {"\n", R"({"keep":true})", ": the dot-file with this rule would not be taken"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    CHECK(why_not(row.text, row.json).starts_with(row.why));
  }
  CHECK_THROWS_AS(edited("&a@x.example\n", forwarding({"a@x.example"}, true), true),
                  RuleError);  // execute bit
  const Confinement confined{false, "/home/abc", mailbox};
  CHECK_THROWS_AS(edit_rule("|filter\n", forwarding({}, true), mailbox, false, &confined), RuleError);
  CHECK(read_rule("|filter\n", mailbox, false, &confined).problem);
  CHECK_THROWS_AS(edit_rule("", changed_rule(JsonValue::parse(R"({"folder":"x"})"), {}), "./Mailbox", false),
                  RuleError);
}

TEST_CASE("mailbox names: folders and their directories", "[rule]") {
  struct Row {
    const char *folder, *directory;
  };
  const Row rows[] = {
      {"Shop", ".Shop"},
      {"Work/Clients", ".Work.Clients"},
      {"A & B", ".A &- B"},
      {"\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
       ".&U,BTFw-.&ZeVnLIqe-"},  // RFC 3501 5.1.3's
      {"\xf0\x9f\x95\x8a", ".&2D3dSg-"},
  };
  for (const Row& row : rows) {
    INFO(row.folder);
    CHECK(folder_directory(row.folder) == row.directory);
    CHECK(folder_name(row.directory) == row.folder);
  }
  for (const std::string& folder : {""s, "."s, ".."s, "a.b"s, "/a"s, "a/"s, "a//b"s, " a"s, "a "s, "inbox"s,
                                    "INBOX/x"s, "a\nb"s, "\xff"s, std::string(300, 'x')})
    CHECK_FALSE(folder_directory(folder));
  for (const char* directory :
       {"Shop", ".", "..", ".a..b", ".&", ".&AGE-", ".&U,BTFw", ".&2D0-", ".&-&-\n", ".a/b"}) {
    INFO(directory);
    CHECK_FALSE(folder_name(directory));
  }
}

TEST_CASE("qmail-dot's arguments", "[rule]") {
  const auto parsed = [](std::vector<std::string> args) { return parse_rule_command(args); };
  CHECK(parsed({"get", "abc", "shop", "--json"}).json);
  CHECK(parsed({"get", "--json", "--", "abc", "--x"}).ext == "--x");
  CHECK(
      json_object(parsed({"set", "abc", "--forward", "a@x.example", "--no-keep", "--forward", "b@x.example"})
                      .members) == R"({"keep":false,"forward":["a@x.example","b@x.example"]})");
  CHECK(parsed({"test", "a@x.example"}).account == "a@x.example");
  CHECK(parsed({"init", "a", "b"}).accounts.size() == 2);
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {"put", "a"},
                                             {"get"},
                                             {"get", "a", "b", "c"},
                                             {"list", "a", "b"},
                                             {"set", "a"},
                                             {"set", "a", "--folder"},
                                             {"get", "a", "--keep"},
                                             {"set", "a", "--days", "3"},
                                             {"set", "a", "--vacation", "f", "--days", "x"},
                                             {"set", "a", "--json", "--keep"}})
    CHECK_THROWS_AS(parsed(args), PermError);
}

// What qmail-getpw answers (qmail-send/getpw.h).
#include "qmail-send/getpw.h"

#include <map>

#include "lib/base/conf.h"
#include "tests/catch.h"

using namespace hato;

namespace {

// A made-up machine: accounts and the owners of their homes.
struct Machine {
  std::map<std::string, User> users;
  std::map<std::string, uid_t> owners;
  int asked = 0;

  void add(const std::string& name, uid_t uid, const std::string& home) {
    users[name] = {name, uid, 100, home, "/bin/sh"};
    owners[home] = uid;
  }
  SystemAccounts accounts() {
    return {[this](const std::string& name) -> std::optional<User> {
              ++asked;
              const auto found = users.find(name);
              return found == users.end() ? std::nullopt : std::optional(found->second);
            },
            [this](const std::string& home) -> std::optional<uid_t> {
              const auto found = owners.find(home);
              return found == owners.end() ? std::nullopt : std::optional(found->second);
            }};
  }
};

std::string answer(Machine& machine, const std::string& local) {
  std::string text = getpw_answer(local, machine.accounts());
  for (char& c : text)
    if (c == '\0') c = '|';
  return text;
}

}  // namespace

TEST_CASE("getpw: who controls an address", "[getpw]") {
  const std::string home = conf::home;
  const std::string alias = std::string(conf::user_alias) + "|70|100|" + home + "/alias|-|";
  Machine machine;
  machine.add(conf::user_alias, 70, "/elsewhere");  // the home in /etc/passwd is never used
  machine.owners[home + "/alias"] = 70;
  machine.add("joe", 501, "/home/joe");
  machine.add("joe-list", 502, "/home/list");
  machine.add("root", 0, "/root");
  machine.add("stolen", 503, "/home/stolen");
  machine.owners["/home/stolen"] = 504;
  machine.users["gone"] = {"gone", 505, 100, "/home/gone", ""};
  machine.add(std::string(32, 'l'), 506, "/home/l");
  machine.add(std::string(33, 'm'), 507, "/home/m");

  struct Row {
    std::string local, to;
  };
  for (const Row& row : std::vector<Row>{
           // qmail-getpw(8)
           {"joe", "joe|501|100|/home/joe|||"},
           {"JoE", "joe|501|100|/home/joe|||"},
           {"joe-Ext-x", "joe|501|100|/home/joe|-|Ext-x|"},
           {"joe-", "joe|501|100|/home/joe|-||"},
           {"joe-list", "joe-list|502|100|/home/list|||"},
           {"joe-list-a", "joe-list|502|100|/home/list|-|a|"},
           {"joex", alias + "joex|"},
           {"-joe", alias + "-joe|"},
           {"nobody-Here", alias + "nobody-Here|"},
           // uid 0, a home that is not his, a home that is not there
           {"root", alias + "root|"},
           {"stolen", alias + "stolen|"},
           {"gone-x", alias + "gone-x|"},
           // alias itself: HOME/alias
           {conf::user_alias, std::string(conf::user_alias) + "|70|100|" + home + "/alias|||"},
           // the longest name that is looked up
           {std::string(32, 'l') + "-x", std::string(32, 'l') + "|506|100|/home/l|-|x|"},
           {std::string(33, 'm'), alias + std::string(33, 'm') + "|"},
       }) {
    CAPTURE(row.local);
    CHECK(answer(machine, row.local) == row.to);
  }
}

TEST_CASE("getpw: an address of dashes costs a bounded number of look-ups", "[getpw]") {
  Machine machine;
  machine.add(conf::user_alias, 70, "/x");
  getpw_answer(std::string(900, '-'), machine.accounts());
  CHECK(machine.asked <= static_cast<int>(getpw_name_limit) + 1);
}

TEST_CASE("getpw: no alias account", "[getpw]") {
  Machine machine;
  try {
    getpw_answer("joe", machine.accounts());
    FAIL("no error");
  } catch (const GetpwError& e) {
    CHECK(e.exit_code() == getpw_no_alias);
  }
}

// qmail-authd(8): the real program as qmaila, over its socket.

#include <crypt.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/local_socket.h"
#include "lib/base/process.h"
#include "lib/net/auth_client.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"
#include "tests/program/proc.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;
using Answer = AuthAnswer::Result;

namespace {

// A cheap hash: what is tested is not crypt.
std::string hash_of(const char* password) {
  return crypt(password, "$5$rounds=1000$salt$");
}

void write_tables(const PrivateHome& home) {
  Account account;
  account.login = "abc";
  account.uid = 12345;
  account.gid = 12346;
  account.home = "/home/abc";
  CdbWriter accounts(home.path("users/accounts.cdb"));
  accounts.add("aabc", encode_account(account));
  account.login = "locked";
  accounts.add("alocked", encode_account(account));
  accounts.commit();
  const auto user = passwd_user(std::string(conf::user_qmaila));
  AccountSecret secret;
  secret.hash = hash_of("right");
  {
    CdbWriter secrets(home.path("users/secrets.cdb"), 0400);
    secrets.add("aabc", encode_secret(secret));
    secret.hash = "!" + secret.hash;
    secrets.add("alocked", encode_secret(secret));
    secrets.commit();
  }
  REQUIRE(chown(home.path("users/secrets.cdb").c_str(), user->uid, user->gid) == 0);
}

bool listens() {
  try {
    connect_local(std::string(conf::home) + auth_socket, SOCK_STREAM);
  } catch (const Error&) {
    return false;
  }
  return true;
}

class Authd {
 public:
  explicit Authd(const PrivateHome& home, int lifeline = -1) {
    const auto user = passwd_user(std::string(conf::user_qmaila));
    mkdir(home.path("auth").c_str(), 0750);
    REQUIRE(chown(home.path("auth").c_str(), user->uid, user->gid) == 0);
    const Fd log = open_file(log_.path() + "/log", O_WRONLY | O_CREAT | O_APPEND, 0666);
    Start start{{std::string(conf::home) + "/bin/qmail-authd"}, {}, {{1, log.get()}, {2, log.get()}}};
    if (lifeline >= 0) start.fds.emplace_back(0, lifeline);
    process_ = std::make_unique<Process>(start);
    REQUIRE(eventually([] { return listens(); }));
  }
  Process& process() { return *process_; }
  std::string log() const { return slurp(log_.path() + "/log"); }

 private:
  ScratchDirectory log_;
  std::unique_ptr<Process> process_;
};

AuthAnswer ask(const std::string& login, const std::string& password, const std::string& client = "") {
  return ask_auth({login, Secret(password), "test", client});
}

}  // namespace

TEST_CASE("qmail-authd: right, wrong, unknown, locked", "[authd]") {
  const PrivateHome home({"qmail-authd"});
  write_tables(home);
  Authd authd(home);
  const AuthAnswer yes = ask("ABC", "right", "192.0.2.1");
  REQUIRE(yes.result == Answer::yes);
  const auto account = parse_account_variable(yes.text);
  REQUIRE(account);
  CHECK(account->account.login == "abc");
  CHECK(account->account.uid == 12345);
  CHECK(account->account.home == "/home/abc");
  CHECK(ask("abc", "wrong").result == Answer::no);
  CHECK(ask("abc", "").result == Answer::no);
  CHECK(ask("nobody-here", "right").result == Answer::no);
  CHECK(ask("locked", "right").result == Answer::no);
  CHECK(ask("root", "right").result == Answer::no);
  CHECK(ask("abc\nuid=0", "right").result == Answer::no);  // is not even asked
  const std::string log = authd.log();
  CHECK(log.find("qmail-authd: yes login abc service test client 192.0.2.1\n") != log.npos);
  CHECK(log.find("qmail-authd: no login abc service test client -\n") != log.npos);
  CHECK(log.find("right") == log.npos);  // no password in the log

  // Both halves run as qmaila, and the one that talks to clients is sealed.
  const auto user = passwd_user(std::string(conf::user_qmaila));
  const std::string uid = std::to_string(user->uid);
  const pid_t pid = authd.process().pid();
  CHECK(status_field(pid, "Uid") == uid + "\t" + uid + "\t" + uid + "\t" + uid);
  CHECK(status_field(pid, "Seccomp") == "2");
  CHECK(status_field(pid, "NoNewPrivs") == "1");
}

TEST_CASE("qmail-authd: guesses are slowed down for the one who guesses", "[authd]") {
  const PrivateHome home({"qmail-authd"});
  write_tables(home);
  Authd authd(home);
  for (int i = 0; i < 9; ++i) ask("abc", "guess", "192.0.2.66");
  const AuthAnswer later = ask("abc", "right", "192.0.2.66");
  CHECK(later.result == Answer::later);
  CHECK(later.text.starts_with("too many wrong passwords; again in "));
  CHECK(ask("abc", "right", "192.0.2.7").result == Answer::yes);
}

TEST_CASE("qmail-authd: questions in turn on one connection, and nonsense", "[authd]") {
  const PrivateHome home({"qmail-authd"});
  write_tables(home);
  Authd authd(home);
  const Fd fd = connect_local(std::string(conf::home) + auth_socket, SOCK_STREAM);
  Writer writer(fd.get(), "authd", 20);
  Reader reader(fd.get(), "authd", 20);
  writer.put("login=abc\npassword=right\n\nlogin=abc\npassword=wrong\n\nnonsense\n\n");
  writer.flush();
  const auto answer = [&] {
    std::string text, line;
    while (reader.read_line(line, 1000) == Reader::Line::complete && !line.empty()) text += line + "\n";
    return text;
  };
  CHECK(answer().starts_with("result=yes\nlogin=abc\n"));
  CHECK(answer() == "result=no\n");
  CHECK(answer() == "result=later\nreason=malformed question\n");
  writer.put(std::string(5000, 'x'));
  writer.flush();
  std::string line;
  // Over the limit: hung up, with bytes unread.
  const auto hung_up = [&] {
    try {
      return reader.read_line(line, 1000) == Reader::Line::eof;
    } catch (const SystemError& e) {
      return e.error() == ECONNRESET;
    }
  };
  CHECK(hung_up());
  CHECK(ask("abc", "right").result == Answer::yes);
}

TEST_CASE("qmail-authd: trouble is never a no", "[authd]") {
  const PrivateHome home({"qmail-authd"});
  write_tables(home);
  REQUIRE(chown(home.path("users/secrets.cdb").c_str(), 0, 0) == 0);
  Authd authd(home);
  CHECK(ask("abc", "right").result == Answer::later);
  home.write("users/accounts.cdb", "damaged");
  CHECK(ask("abc", "right").result == Answer::later);
  authd.process().signal(SIGTERM);
  authd.process().wait();
  CHECK(ask("abc", "right").result == Answer::later);
}

TEST_CASE("qmail-authd: an operator's own program", "[authd]") {
  const PrivateHome home({"qmail-authd"});
  write_tables(home);
  home.script("own", "tr '\\0' ' ' <&3 | grep -q '^abc secret ' && exec \"$@\"; exit ${CODE:-1}\n");
  home.write("control/authprogram", std::string(conf::home) + "/bin/own\n");
  {
    Authd authd(home);
    const AuthAnswer yes = ask("abc", "secret");
    REQUIRE(yes.result == Answer::yes);
    CHECK(parse_account_variable(yes.text)->account.uid == 12345);
    CHECK(ask("abc", "right").result == Answer::no);
  }
  home.script("own", "exit 111\n");
  Authd authd(home);
  CHECK(ask("abc", "secret").result == Answer::later);
}

TEST_CASE("qmail-authd: ends when it is told to, or when nobody holds its lifeline", "[authd]") {
  const PrivateHome home({"qmail-authd"});
  write_tables(home);
  {
    Authd authd(home);
    authd.process().signal(SIGTERM);
    CHECK(authd.process().wait() == 0);
  }
  CHECK_FALSE(listens());
  FdPair lifeline = make_pipe();
  Authd authd(home, lifeline.first.get());
  CHECK(ask("abc", "right").result == Answer::yes);
  lifeline.second.reset();
  CHECK(authd.process().wait() == 0);
}

// A hosting provider's addresses from the gate to the mailbox: qmail-start and everything that it starts, the
// real qmail-send, qmail-lspawn and qmail-local, accounts with uids of their own. qmail-send(8), WHERE A
// RECIPIENT GOES; qmail-lspawn(8), WHOSE A RECIPIENT IS.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "lib/store/maildir.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr uid_t first_uid = 64400, panel = 64390;

// The suite of this prefix, started, with these accounts.
class Hosting {
 public:
  explicit Hosting(std::map<std::string, std::string> controls) : controls_(std::move(controls)) {
    controls_["me"] = "pobox.example\n";
    controls_["doublebounceto"] = "\n";  // what fails is thrown away
    controls_["timeoutdns"] = "1\n";
    for (const auto& [name, text] : controls_) set_control(name, text);
  }
  ~Hosting() {
    if (process_) {
      process_->signal(SIGTERM);
      process_->wait(20);
    }
    for (const auto& [name, text] : controls_) set_control(name, "");
    unlink(accounts_path().c_str());
    RunningGate().empty();
  }
  static std::string accounts_path() { return std::string(conf::home) + accounts_file; }

  // Logins, a blank and the own domain behind one that has one; each with a home and a Maildir.
  void accounts(const std::vector<std::string>& logins) {
    CdbWriter cdb(accounts_path());
    for (const std::string& each : logins) {
      const std::size_t blank = std::min(each.find(' '), each.size());
      Account account;
      account.login = each.substr(0, blank);
      account.uid = account.gid = uid_of(account.login);
      account.home = home(account.login);
      if (blank < each.size()) cdb.add("d" + each.substr(blank + 1), account.login);
      cdb.add("a" + account.login, encode_account(account));
      if (const std::size_t at = account.login.rfind('@'); at != std::string::npos)
        cdb.add("D" + account.login.substr(at + 1), "");
      make_home(account);
    }
    cdb.add("", encode_generation(1));
    cdb.commit();
  }
  uid_t uid_of(const std::string& login) {
    return uids_.try_emplace(login, first_uid + static_cast<uid_t>(uids_.size())).first->second;
  }
  std::string home(const std::string& login) const { return scratch_.file("home-" + login); }
  void file(const std::string& path, const std::string& text, uid_t owner, gid_t group) const {
    write_all(open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), text, path);
    REQUIRE(chown(path.c_str(), owner, group) == 0);
    REQUIRE(chmod(path.c_str(), 0640) == 0);
  }

  void start() {
    const Fd log = open_file(log_path(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    Start start{{installed("qmail-start"), "./Maildir/"}};
    start.fds = {{0, log.get()}, {1, log.get()}, {2, log.get()}};
    process_ = std::make_unique<Process>(start);
    const bool up = eventually([&] { return log_text().find("status: local") != std::string::npos; });
    INFO(log_text());
    REQUIRE(up);
  }
  // Hands a message in and waits for its end: "LOGIN: LOCAL@DOMAIN" of the Delivered-To, for each account
  // that has it; or the log's words of the failure.
  std::string deliver(const std::string& recipient, uid_t sender_uid = 0,
                      const std::vector<std::string>& sendmail = {}) {
    const std::size_t ended = count("end msg ");
    const std::size_t before = log_text().size();
    if (sendmail.empty()) {
      const Fd in = open_file(scratch_.write("message", "Subject: x\n\nbody\n"), O_RDONLY);
      const std::string envelope = std::string("F") + '\0' + "T" + recipient + '\0' + '\0';
      const Fd addresses = open_file(scratch_.write("envelope", envelope), O_RDONLY);
      Start start{{installed("qmail-queue")}};
      start.fds = {{0, in.get()}, {1, addresses.get()}, {2, 2}};
      Process queue(start);
      REQUIRE(queue.wait() == 0);
    } else {
      Start start{sendmail};
      start.uid = start.gid = sender_uid;
      REQUIRE(run(std::move(start), "Subject: x\n\nbody\n").code == 0);
    }
    REQUIRE(eventually([&] { return count("end msg ") > ended; }, 60));
    std::string found;
    for (const auto& [login, uid] : uids_) found += take_new(login);
    const std::string log = log_text().substr(before);
    if (const std::size_t at = log.find(": failure: "); at != std::string::npos)
      found += log.substr(at + 2, log.find('\n', at) - at - 2);
    return found;
  }
  std::string log_text() const { return slurp(log_path()); }
  std::string return_path() const { return return_path_; }

 private:
  std::string log_path() const { return scratch_.file("log"); }
  std::size_t count(const std::string& words) const {
    std::size_t times = 0;
    const std::string log = log_text();
    for (std::size_t at = log.find(words); at != std::string::npos; at = log.find(words, at + 1)) ++times;
    return times;
  }
  void make_home(const Account& account) const {
    if (mkdir(account.home.c_str(), 0755) != 0) return;
    REQUIRE(chown(account.home.c_str(), account.uid, account.gid) == 0);
    make_maildir(account.home + "/Maildir");
    for (const char* part : {"", "/tmp", "/new", "/cur"})
      REQUIRE(chown((account.home + "/Maildir" + part).c_str(), account.uid, account.gid) == 0);
  }
  // What is new in the mailbox is told and removed.
  std::string take_new(const std::string& login) {
    std::string found;
    const std::string directory = home(login) + "/Maildir/new";
    if (access(directory.c_str(), F_OK) != 0) return found;
    for (const std::string& name : names_in(directory)) {
      const std::string text = slurp(directory + "/" + name);
      struct stat status {};
      REQUIRE(stat((directory + "/" + name).c_str(), &status) == 0);
      CHECK(status.st_uid == uids_.at(login));
      const std::size_t at = text.find("Delivered-To: ") + 14;
      found += login + ": " + text.substr(at, text.find('\n', at) - at);
      return_path_ = text.substr(0, text.find('\n'));
      unlink((directory + "/" + name).c_str());
    }
    return found;
  }

  ScratchDirectory scratch_;
  std::map<std::string, std::string> controls_;
  std::map<std::string, uid_t> uids_;
  std::unique_ptr<Process> process_;
  std::string return_path_;
};

const char no_mailbox[] = "failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/";

std::map<std::string, std::string> provider() {
  return {{"locals", "pobox.example\n"},
          {"subdomains", "pobox.example\n"},
          {"domainaliases", "alias.example:pobox.example\nabcalias.example:abc.pobox.example\n"},
          {"virtualdomains", "byhand.pobox.example:abc-hand\n"},
          {"rcpthosts", "pobox.example\n.pobox.example\n"}};
}

}  // namespace

TEST_CASE("accounts, subdomains and own domains, from the gate to the mailbox", "[hosting]") {
  Hosting hosting(provider());
  hosting.accounts({"abc firm.example", "abc-info", "info@logins.example", "x.y"});
  hosting.start();
  struct Row {
    std::string recipient, found;
  };
  for (const Row& row : {
           Row{"abc@pobox.example", "abc: abc@pobox.example"},
           Row{"ABC@Pobox.Example", "abc: ABC@Pobox.Example"},
           Row{"abc@alias.example", "abc: abc@pobox.example"},
           Row{"anything@abc.pobox.example", "abc: abc-anything@abc.pobox.example"},
           Row{"Any.Thing@ABC.pobox.example", "abc: abc-Any.Thing@ABC.pobox.example"},
           Row{"any@abcalias.example", "abc: abc-any@abc.pobox.example"},
           Row{"info@abc.pobox.example", "abc: abc-info@abc.pobox.example"},
           Row{"abc-info@pobox.example", "abc-info: abc-info@pobox.example"},
           Row{"any@x.y.pobox.example", "x.y: x.y-any@x.y.pobox.example"},
           Row{"info@firm.example", "abc: abc-info@firm.example"},
           Row{"info@logins.example", "info@logins.example: info@logins.example"},
           Row{"info-shop@logins.example", "info@logins.example: info-shop@logins.example"},
           Row{"日本@abc.pobox.example", "abc: abc-日本@abc.pobox.example"},
           Row{"../../../etc/passwd@abc.pobox.example", "abc: abc-../../../etc/passwd@abc.pobox.example"},
           Row{"%00@abc.pobox.example", "abc: abc-%00@abc.pobox.example"},
           Row{"--x@abc.pobox.example", "abc: abc---x@abc.pobox.example"},
           Row{"a:b;c|d`e$(f)@abc.pobox.example", "abc: abc-a:b;c|d`e$(f)@abc.pobox.example"},
           Row{std::string(800, 'y') + "@abc.pobox.example",
               "abc: abc-" + std::string(800, 'y') + "@abc.pobox.example"},
           Row{"abc-none@pobox.example", no_mailbox},
           Row{"any@nosuch.pobox.example", no_mailbox},
           Row{"abc@logins.example", no_mailbox},
           Row{"any@byhand.pobox.example", no_mailbox},  // abc's extension hand-any, which has no rule
       }) {
    CAPTURE(row.recipient);
    CHECK(hosting.deliver(row.recipient) == row.found);
  }
  hosting.accounts({"abc", "new newdomain.example"});  // counts at once
  CHECK(hosting.deliver("any@new.pobox.example") == "new: new-any@new.pobox.example");
  CHECK(hosting.deliver("any@newdomain.example") == "new: new-any@newdomain.example");
  CHECK(hosting.deliver("any@x.y.pobox.example") == no_mailbox);
}

TEST_CASE("control/systemusers: who is in no table is alias'", "[hosting]") {
  std::map<std::string, std::string> controls = provider();
  controls["systemusers"] = "0\n";
  Hosting hosting(controls);
  hosting.accounts({"abc"});
  hosting.start();
  CHECK(hosting.deliver("daemon@pobox.example") == no_mailbox);
  CHECK(hosting.log_text().find("getpw") == std::string::npos);
  const std::string dot = std::string(conf::home) + "/alias/.qmail-hatonobody";
  write_all(open_file(dot, O_WRONLY | O_CREAT, 0644).get(), "&abc@pobox.example\n", dot);
  const std::string first = hosting.deliver("hatonobody@pobox.example");  // the forward, a message of its own
  CHECK((first.empty() || first == "abc: abc@pobox.example"));
  if (first.empty())
    CHECK(eventually([&] { return !names_in(hosting.home("abc") + "/Maildir/new").empty(); }));
  unlink(dot.c_str());
}

TEST_CASE("control/dotdir: a rule of the panel counts, the customer's own file does not", "[hosting]") {
  std::map<std::string, std::string> controls = provider();
  const ScratchDirectory scratch;
  const std::string dots = scratch.file("dots");
  controls["dotdir"] = dots + "\n";
  Hosting hosting(controls);
  hosting.accounts({"abc", "other"});
  REQUIRE(mkdir(dots.c_str(), 0755) == 0);
  REQUIRE(chown(dots.c_str(), panel, panel) == 0);
  for (const char* login : {"abc", "other"}) {
    const std::string directory = dots + "/" + login;
    REQUIRE(mkdir(directory.c_str(), 0750) == 0);
    REQUIRE(chown(directory.c_str(), panel, hosting.uid_of(login)) == 0);
  }
  hosting.start();
  hosting.file(hosting.home("abc") + "/.qmail-x", "|true\n", hosting.uid_of("abc"), hosting.uid_of("abc"));
  CHECK(hosting.deliver("x@abc.pobox.example") == "abc: abc-x@abc.pobox.example");
  hosting.file(dots + "/abc/.qmail-x", "|bouncesaying 'It'\\''s closed.'\n", panel, hosting.uid_of("abc"));
  CHECK(hosting.deliver("x@abc.pobox.example") == "failure: It's_closed./");
  CHECK(hosting.deliver("y@abc.pobox.example") == "abc: abc-y@abc.pobox.example");
  hosting.file(dots + "/abc/.qmail-default", "#\n", panel, hosting.uid_of("abc"));
  CHECK(hosting.deliver("y@abc.pobox.example").empty());  // thrown away
  // The other customer may not look at it.
  Start look{{"/bin/cat", dots + "/abc/.qmail-x"}};
  look.uid = look.gid = hosting.uid_of("other");
  CHECK(run(std::move(look)).code != 0);
}

TEST_CASE("the account that hands mail in is its sender; its domains are ours at RCPT", "[hosting]") {
  Hosting hosting(provider());
  hosting.accounts({"abc firm.example", "info@logins.example"});
  hosting.start();
  const std::vector<std::string> sendmail = {installed("sendmail"), "any@abc.pobox.example"};
  CHECK(hosting.deliver("", hosting.uid_of("abc"), sendmail) == "abc: abc-any@abc.pobox.example");
  CHECK(hosting.return_path() == "Return-Path: <abc@pobox.example>");
  CHECK(hosting.deliver("", hosting.uid_of("info@logins.example"), sendmail) ==
        "abc: abc-any@abc.pobox.example");
  CHECK(hosting.return_path() == "Return-Path: <info@logins.example>");
  Start smtpd{{installed("qmail-smtpd")}, {{"PROTO", "TCP"}, {"TCPREMOTEIP", "192.0.2.7"}}};
  const Outcome said = run(std::move(smtpd),
                           "EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@firm.example>\r\n"
                           "RCPT TO:<x@Logins.example>\r\nRCPT TO:<x@abc.pobox.example>\r\n"
                           "RCPT TO:<x@elsewhere.example>\r\nRCPT TO:<x@sub.firm.example>\r\nQUIT\r\n");
  std::string codes;
  for (std::size_t at = 0; at < said.out.size(); at = said.out.find('\n', at) + 1)
    if (said.out.substr(at + 3, 1) == " ") codes += said.out.substr(at, 3) + " ";
  CHECK(codes == "220 250 250 250 250 250 553 553 221 ");
}

// qmail-rcptd as a real executable: who it is, what it says, and that this is what qmail-local finds.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/policy_channel.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "lib/store/contract_use.h"
#include "lib/store/maildir.h"
#include "lib/store/recipients.h"
#include "lib/store/routing.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/policy_server.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr uid_t first_uid = 64300;

std::string home_path(const std::string& below) {
  return std::string(conf::home) + "/" + below;
}

void own(const std::string& path, uid_t uid, gid_t gid, mode_t mode) {
  if (lchown(path.c_str(), uid, gid) != 0 || chmod(path.c_str(), mode) != 0) throw_errno("own " + path);
}

// Accounts with homes below a scratch directory, control files, and alias' dot-files; gone afterwards.
class Hosted {
 public:
  explicit Hosted(Controls files) : files_(std::move(files)) {
    files_.emplace("me", "pobox.example\n");
    files_.emplace("homes", scratch_.path() + "\n");
    for (const auto& [name, text] : files_) set_control(name, text);
  }
  ~Hosted() {
    for (const auto& [name, text] : files_) set_control(name, "");
    unlink(home_path("users/accounts.cdb").c_str());
    unlink(home_path("users/contract-use.cdb").c_str());
    empty_alias();
  }
  Hosted(const Hosted&) = delete;
  Hosted& operator=(const Hosted&) = delete;

  // Logins, each with a blank and its own domain behind it if it has one.
  void accounts(const std::vector<std::string>& lines, const std::function<void(Account&)>& change = {},
                const std::vector<Contract>& contracts = {}) {
    CdbWriter cdb(home_path("users/accounts.cdb"));
    accounts_.clear();
    for (const std::string& line : lines) {
      Account account;
      account.login = line.substr(0, line.find(' '));
      account.uid = account.gid = static_cast<uid_t>(first_uid + accounts_.size());
      account.home = scratch_.file("home-" + account.login);
      if (const std::size_t blank = line.find(' '); blank != std::string::npos) {
        account.domains.push_back(line.substr(blank + 1));
        cdb.add("d" + account.domains[0], account.login);
      }
      if (const std::size_t at = account.login.rfind('@'); at != std::string::npos)
        cdb.add("D" + account.login.substr(at + 1), "");
      if (change) change(account);
      cdb.add("a" + account.login, encode_account(account));
      make_home(account);
      accounts_.push_back(account);
    }
    for (const Contract& contract : contracts) cdb.add("c" + contract.name, encode_contract(contract));
    cdb.add("", encode_generation(1));
    cdb.commit();
  }
  static void contract_use(const std::string& contract, std::uint64_t bytes, std::int64_t measured) {
    CdbWriter cdb(home_path("users/contract-use.cdb"));
    cdb.add("c" + contract, encode_contract_use({bytes, 0, measured, false}));
    cdb.commit();
  }
  const std::vector<Account>& all() const { return accounts_; }
  const Account& account(const std::string& login) const {
    for (const Account& one : accounts_)
      if (one.login == login) return one;
    throw TempError("no account " + login);
  }
  std::string file(const std::string& below) const { return scratch_.file(below); }

  void dot(const std::string& login, const std::string& name, const std::string& text,
           mode_t mode = 0644) const {
    const Account& who = account(login);
    write_owned(who.home + "/" + name, text, who.uid, who.gid, mode);
  }
  static void write_owned(const std::string& path, const std::string& text, uid_t uid, gid_t gid,
                          mode_t mode) {
    write_all(open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text, path);
    own(path, uid, gid, mode);
  }
  static void empty_alias() {
    for (const std::string& name : names_in(home_path("alias")))
      std::filesystem::remove_all(home_path("alias/" + name));
  }

 private:
  void make_home(const Account& account) const {
    std::filesystem::remove_all(account.home);
    if (mkdir(account.home.c_str(), 0755) != 0) throw_errno("mkdir " + account.home);
    make_maildir(account.home + "/Maildir");
    for (const char* part : {"/Maildir/tmp", "/Maildir/new", "/Maildir/cur", "/Maildir", ""})
      own(account.home + part, account.uid, account.gid, *part == '\0' ? 0755 : 0700);
  }

  ScratchDirectory scratch_;
  Controls files_;
  std::vector<Account> accounts_;
};

class Rcptd {
 public:
  explicit Rcptd(uid_t uid = 0, gid_t gid = 0) : channel_(home_path("gate/policy/rcptd")) {
    const Fd log = open_file(log_path(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    Start start{{installed("qmail-rcptd")}};
    start.fds = {{2, log.get()}};
    start.uid = uid;
    start.gid = gid;
    process_ = std::make_unique<Process>(start);
    const bool up = eventually([&] {
      try {
        channel_.connect(5);
        return true;
      } catch (const Error&) {
        return !process_->running();
      }
    });
    INFO(log_text());
    REQUIRE((up && channel_.connected()));
  }
  ~Rcptd() {
    process_->signal(SIGTERM);
    CHECK(process_->wait() == 0);
  }
  // "yes" (go on), "no" and "full" (word for word), "closed WORDS".
  std::string says(const std::string& recipient, const std::string& state = "RCPT",
                   const std::string& sender = "s@there.example", const std::string& size = "0") {
    std::string request;
    append_policy_attribute(request, "request", "smtpd_access_policy");
    append_policy_attribute(request, "protocol_state", state);
    append_policy_attribute(request, "sender", sender);
    append_policy_attribute(request, "recipient", recipient);
    append_policy_attribute(request, "size", size);
    const PolicyAnswer answer = channel_.ask(request, 30);
    if (answer == PolicyAnswer{PolicyAction::dunno, 0, "", ""}) return "yes";
    if (answer ==
        PolicyAnswer{PolicyAction::reject, 550, "5.1.1", "sorry, no mailbox here by that name (#5.1.1)"})
      return "no";
    if (answer == PolicyAnswer{PolicyAction::reject, 452, "4.5.2", "sorry, mailbox is full (#4.5.2)"})
      return "full";
    if (answer.action == PolicyAction::reject && answer.code == 550 && answer.status == "5.7.1")
      return "closed " + answer.text;
    return "?" + answer.text;
  }
  Process& process() { return *process_; }
  std::string log_text() const { return slurp(log_path()); }
  std::string log_path() const { return scratch_.file("log"); }
  std::string status(const std::string& name, const std::string& pid) const {
    const std::string all = slurp("/proc/" + pid + "/status");
    const std::size_t at = all.find("\n" + name + ":\t") + name.size() + 3;
    return all.substr(at, all.find('\n', at) - at);
  }
  std::vector<std::string> workers() const {
    const std::string pid = std::to_string(process_->pid());
    std::vector<std::string> found;
    std::string word;
    for (const char c : slurp("/proc/" + pid + "/task/" + pid + "/children")) {
      if (c != ' ') word += c;
      if (c == ' ' && !word.empty()) found.push_back(std::exchange(word, {}));
    }
    return found;
  }

 private:
  ScratchDirectory scratch_;
  PolicyChannel channel_;
  std::unique_ptr<Process> process_;
};

// What delivery says about a recipient: "yes", "no", or "later"; "-" when the system's users would have to be
// asked. really: by delivering; then a bounce is "bounced", and what was said.
std::string delivery_says(const std::string& recipient, bool really = false) {
  const Route route = read_router(Control()).route(recipient);
  if (route.channel != Channel::local) return "yes";
  const std::size_t at = route.recipient.rfind('@');
  const std::string local = route.recipient.substr(0, at), domain = route.recipient.substr(at + 1);
  const Resolution who = Recipients().find(local, domain);
  if (std::holds_alternative<NoMailbox>(who)) return "no";
  const LocalUser* user = std::get_if<LocalUser>(&who);
  if (user == nullptr) return "-";
  ScratchDirectory scratch;
  Start start;
  start.args = {"/bin/sh",
                "-c",
                "exec \"$@\" <" + scratch.write("message", "Subject: x\n\nx\n"),
                "sh",
                installed("qmail-local"),
                really ? "-N" : "-n",
                "--",
                user->to.user,
                user->to.home,
                local,
                user->to.dash,
                user->to.ext,
                domain,
                "s@there.example",
                default_delivery_of(*user, "./Maildir/")};
  start.env[account_variable] = account_variable_of(*user, "./Maildir/");
  start.uid = user->to.uid;
  start.gid = user->to.gid;
  const Outcome done = run(start);
  if (has(done.err, "home directory is sticky")) return "later";  // -n only warns
  if (done.code == 0) return "yes";
  if (done.code == 100 && really) return "bounced " + done.out + done.err;
  if (done.code == 100)
    return has(done.out + done.err, "no mailbox here by that name") ? "no" : "?" + done.out + done.err;
  return done.code == 111 ? "later" : "?" + std::to_string(done.code);
}

}  // namespace

TEST_CASE("rcptd: who it is, and what it may do", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "0\n"}});
  hosted.accounts({"abc"});
  Rcptd rcptd;
  CHECK(rcptd.says("abc@pobox.example") == "yes");
  const std::vector<std::string> workers = rcptd.workers();
  REQUIRE(workers.size() == 1);
  const std::string user = std::to_string(passwd_user(std::string(conf::user_qmailp))->uid);
  for (const std::string& pid : {std::to_string(rcptd.process().pid()), workers[0]}) {
    CHECK(rcptd.status("Uid", pid) == user + "\t" + user + "\t" + user + "\t" + user);
    for (const char* set : {"CapEff", "CapPrm"}) CHECK(rcptd.status(set, pid) == "0000000000000004");
    for (const char* set : {"CapInh", "CapAmb"}) CHECK(rcptd.status(set, pid) == "0000000000000000");
    CHECK(rcptd.status("NoNewPrivs", pid) == "1");
    CHECK(rcptd.status("Seccomp", pid) == "2");
  }
  struct stat status {};
  REQUIRE(stat(home_path("gate/policy/rcptd").c_str(), &status) == 0);
  CHECK(status.st_uid == passwd_user(std::string(conf::user_qmailp))->uid);
}

TEST_CASE("rcptd: what it says", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "0\n"}, {"subdomains", "pobox.example\n"}});
  hosted.accounts({"abc", "abc-info", "own customer.example", "info@shop.example"});
  hosted.dot("abc", ".qmail-rule", "&x@there.example\n");
  hosted.dot("abc", ".qmail-lists-default", "&x@there.example\n");
  const User alias = *passwd_user(std::string(conf::user_alias));
  Hosted::write_owned(home_path("alias/.qmail-postmaster"), "&abc@pobox.example\n", alias.uid, alias.gid,
                      0644);
  Rcptd rcptd;
  struct Row {
    const char *recipient, *says;
  };
  const Row rows[] = {
      {"abc@pobox.example", "yes"},           {"ABC@POBOX.example", "yes"},
      {"abc-rule@pobox.example", "yes"},      {"abc-RULE@pobox.example", "yes"},
      {"abc-lists-a-b@pobox.example", "yes"}, {"abc-norule@pobox.example", "no"},
      {"abc-info@pobox.example", "yes"},      {"abc-info-x@pobox.example", "no"},
      {"any.thing@abc.pobox.example", "yes"}, {"rule@ABC.pobox.example", "yes"},
      {"info@abc.pobox.example", "yes"},      {"x@nosuch.pobox.example", "no"},
      {"any@customer.example", "yes"},        {"own@pobox.example", "yes"},
      {"info@shop.example", "yes"},           {"info-x@shop.example", "yes"},
      {"other@shop.example", "no"},           {"nobody@pobox.example", "no"},
      {"postmaster@pobox.example", "yes"},    {"Postmaster", "yes"},
      {"abc-../x@pobox.example", "no"},       {"abc-%00@pobox.example", "no"},
      {"anybody@elsewhere.example", "yes"},   {"@pobox.example", "no"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.recipient, rcptd.log_text());
    CHECK(rcptd.says(row.recipient) == row.says);
    CHECK(delivery_says(row.recipient) == row.says);
  }
  for (const char* state : {"CONNECT", "MAIL", "DATA", "END-OF-MESSAGE", "VRFY"})
    CHECK(rcptd.says("nobody@pobox.example", state) == "yes");
  CHECK(rcptd.says("") == "yes");
  // A new account is known at once.
  hosted.accounts({"abc", "nobody"});
  CHECK(rcptd.says("nobody@pobox.example") == "yes");
  CHECK(rcptd.says("own@pobox.example") == "no");
}

TEST_CASE("rcptd: a closed address", "[rcptd]") {
  const bool panel = GENERATE(false, true);
  ScratchDirectory dotdir;
  Controls controls{{"systemusers", "0\n"}, {"subdomains", "pobox.example\n"}};
  if (panel) controls["dotdir"] = dotdir.path() + "\n";
  Hosted hosted(controls);
  hosted.accounts({"abc", "full"},
                  [](Account& account) { account.quota_messages = account.login == "full"; });
  const User qmailc = *passwd_user(std::string(conf::user_qmailc)),
             alias = *passwd_user(std::string(conf::user_alias));
  const auto rule = [&](const std::string& login, const std::string& name, const std::string& text,
                        mode_t mode = 0640) {
    const Account& account = hosted.account(login);
    const std::string directory = panel ? dotdir.file(login) : account.home;
    const uid_t owner = panel ? qmailc.uid : account.uid;
    if (panel && mkdir(directory.c_str(), 0750) == 0) own(directory, owner, account.gid, 0750);
    Hosted::write_owned(directory + "/" + name, text, owner, account.gid, mode);
  };
  own(dotdir.path(), qmailc.uid, qmailc.gid, 0755);
  Rcptd rcptd;
  const std::string usual = "closed sorry, this address takes no mail (#5.7.1)";
  struct Row {
    const char* text;
    std::string says, bounce;  // "": what delivery does is its own affair
  };
  const Row rows[] = {
      {"|bouncesaying 'It'\\''s closed'\n", "closed It's closed (#5.7.1)", "It's closed"},
      {"# why\n+word\n&x@there.example\n|bouncesaying closed \n./Maildir/\n\n&\n", "closed closed (#5.7.1)",
       "closed"},
      {"|bouncesaying ''\n", usual, ""},
      {"|bouncesaying 'closed \xc3\xbc'\n", usual, "closed"},
      {"|bouncesaying 'a\tb\r\x1b[2J\x7f c'\n", "closed a b  [2J  c (#5.7.1)", "a"},
      {"|bouncesaying '550-no (#4.7.1)'\n", "closed 550-no (#4.7.1) (#5.7.1)", "550-no"},
      {"./Maildir/\n|bouncesaying closed\n", "yes", ""},
      {"./mbox\n|bouncesaying closed\n", "yes", ""},
      {"|qmail-vacation x\n|bouncesaying closed\n", "yes", ""},
      {"|bouncesaying closed false\n", "yes", ""},
      {"|bouncesaying closed; true\n", "yes", ""},
      {"|bouncesaying $closed\n", "yes", ""},
      {"|true\n|bouncesaying closed\n", "yes", ""},
      {"+list\n|bouncesaying closed\n", "yes", ""},
      {"&\n|bouncesaying closed\n", "yes", ""},
      {" |bouncesaying closed\n", "yes", ""},
  };
  for (const Row& row : rows) {
    rule("abc", ".qmail-x", row.text);
    CAPTURE(panel, row.text, rcptd.log_text());
    CHECK(rcptd.says("abc-x@pobox.example") == row.says);
    CHECK(rcptd.says("x@abc.pobox.example") == row.says);
    if (!row.bounce.empty())
      CHECK(delivery_says("x@abc.pobox.example", true).starts_with("bounced " + row.bounce));
  }
  // What is too long is cut.
  const std::string words(500, 'w');
  rule("abc", ".qmail-x", "|bouncesaying " + words + "\n");
  CHECK(rcptd.says("abc-x@pobox.example") == "closed " + words.substr(0, 450) + " (#5.7.1)");
  // Whatever the mode of a file says to us, it is the user who reads it.
  if (panel) {
    rule("abc", ".qmail-x", "|bouncesaying closed\n", 0600);
    CHECK(rcptd.says("abc-x@pobox.example") == "yes");
    CHECK(delivery_says("abc-x@pobox.example") == "later");
    rule("abc", ".qmail-x", "|bouncesaying closed\n");
    own(dotdir.file("abc"), qmailc.uid, hosted.account("abc").gid, 0700);
    for (const char* recipient : {"abc-x@pobox.example", "abc-none@pobox.example"}) {
      CHECK(rcptd.says(recipient) == "yes");
      CHECK(delivery_says(recipient) == "later");
    }
    own(dotdir.file("abc"), qmailc.uid, hosted.account("abc").gid, 0750);
  }
  rule("abc", ".qmail-x", "|bouncesaying closed\n", 0740);
  CHECK(rcptd.says("abc-x@pobox.example") == "yes");  // the execute bit forbids it
  CHECK(delivery_says("abc-x@pobox.example") == "later");
  // The account itself, however full its mailbox, and alias.
  Hosted::write_owned(hosted.account("full").home + "/Maildir/new/1.a", "x", hosted.account("full").uid,
                      hosted.account("full").gid, 0600);
  CHECK(rcptd.says("full@pobox.example") == "full");
  rule("full", ".qmail", "|bouncesaying gone\n");
  CHECK(rcptd.says("full@pobox.example") == "closed gone (#5.7.1)");
  CHECK(rcptd.says("full@pobox.example", "MAIL") == "yes");
  Hosted::write_owned(home_path("alias/.qmail-old-default"), "|bouncesaying 'no longer'\n", alias.uid,
                      alias.gid, 0644);
  CHECK(rcptd.says("old-team@pobox.example") == "closed no longer (#5.7.1)");
  CHECK(delivery_says("old-team@pobox.example", true) == "bounced no longer\n");
}

TEST_CASE("rcptd: a doubt is no refusal", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "1\n"}});
  hosted.accounts({"abc"});
  Rcptd rcptd;
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
  CHECK(rcptd.says("stranger@pobox.example") == "yes");  // the system may know him
  const std::string home = hosted.account("abc").home;
  for (const mode_t mode : {0777, 01755, 0600}) {
    CAPTURE(mode);
    REQUIRE(chmod(home.c_str(), mode) == 0);
    CHECK(rcptd.says("abc-x@pobox.example") == "yes");
  }
  REQUIRE(chmod(home.c_str(), 0700) == 0);
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
  REQUIRE(rename(home.c_str(), (home + "-away").c_str()) == 0);
  CHECK(rcptd.says("abc-x@pobox.example") == "yes");
  CHECK(has(rcptd.log_text(), "qmail-rcptd: doubt about "));
  REQUIRE(rename((home + "-away").c_str(), home.c_str()) == 0);
  // Damaged: nothing is certain.
  hosted.write_owned(home_path("users/accounts.cdb"), "rubbish", 0, 0, 0644);
  CHECK(rcptd.says("abc-x@pobox.example") == "yes");
}

TEST_CASE("rcptd: without the capability it still answers what it can read", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "0\n"}});
  hosted.accounts({"abc", "def"});
  REQUIRE(chmod(hosted.account("def").home.c_str(), 0700) == 0);
  const User qmailp = *passwd_user(std::string(conf::user_qmailp));
  Rcptd rcptd(qmailp.uid, qmailp.gid);
  CHECK(has(rcptd.log_text(), "no CAP_DAC_READ_SEARCH"));
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
  CHECK(rcptd.says("def-x@pobox.example") == "yes");
}

TEST_CASE("rcptd: homes outside of control/homes are in doubt", "[rcptd]") {
  ScratchDirectory elsewhere;
  Hosted hosted(Controls{{"systemusers", "0\n"}, {"homes", elsewhere.path() + "\n/nonexistent\n"}});
  hosted.accounts({"abc"});
  hosted.dot("abc", ".qmail-default", "&x@there.example\n");
  Rcptd rcptd;
  CHECK(has(rcptd.log_text(), "/nonexistent: no directory that can be read"));
  CHECK(rcptd.says("abc-x@pobox.example") == "yes");
  CHECK(has(rcptd.log_text(), "Permission denied"));
}

TEST_CASE("rcptd: a worker that hangs or dies holds up nobody else", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "0\n"}});
  hosted.accounts({"abc"});
  Rcptd rcptd;
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
  const std::vector<std::string> first = rcptd.workers();
  REQUIRE(first.size() == 1);
  const pid_t stuck = std::stoi(first[0]);
  REQUIRE(kill(stuck, SIGSTOP) == 0);
  // This one gets the worker that is stuck, and an answer all the same ...
  CHECK(rcptd.says("abc-x@pobox.example") == "yes");
  CHECK(eventually([&] { return has(rcptd.log_text(), "not answered in 10 s"); }));
  // ... and the next one another worker.
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
  CHECK(rcptd.workers().size() == 2);
  REQUIRE(kill(stuck, SIGCONT) == 0);
  for (const std::string& pid : rcptd.workers()) REQUIRE(kill(std::stoi(pid), SIGKILL) == 0);
  REQUIRE(eventually([&] { return rcptd.workers().empty(); }));
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
  // A request that is none ends its connection, and that is all.
  CHECK_THROWS(
      ask_policy(home_path("gate/policy/rcptd"), {{"recipient", std::string(1990, 'x')}, {"a\n\nb", ""}}));
  CHECK(rcptd.says("abc-x@pobox.example") == "no");
}

TEST_CASE("rcptd: a full mailbox", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "0\n"}, {"subdomains", "pobox.example\n"}});
  hosted.accounts({"bytes", "messages", "free"}, [](Account& account) {
    if (account.login == "bytes") account.quota_bytes = 1000;
    if (account.login == "messages") account.quota_messages = 2;
  });
  const auto put = [&](const std::string& login, const std::string& name, std::size_t size) {
    const Account& who = hosted.account(login);
    Hosted::write_owned(who.home + "/Maildir/" + name, std::string(size, 'x'), who.uid, who.gid, 0600);
  };
  hosted.dot("bytes", ".qmail-away", "&x@there.example\n");
  hosted.dot("bytes", ".qmail-both", "&x@there.example\n./Maildir/\n");
  Rcptd rcptd;
  struct Row {
    const char *recipient, *size, *says;
  };
  const auto check = [&](std::initializer_list<Row> rows) {
    for (const Row& row : rows) {
      CAPTURE(row.recipient, row.size, rcptd.log_text());
      CHECK(rcptd.says(row.recipient, "RCPT", "s@there.example", row.size) == row.says);
    }
  };
  put("bytes", "new/1.a", 900);
  // SIZE counts two octets for a line end that takes one here: only what is certainly too much is.
  check({{"bytes@pobox.example", "0", "yes"},
         {"bytes@pobox.example", "200", "yes"},
         {"bytes@pobox.example", "202", "full"},
         {"bytes@pobox.example", "99999999999999999999", "full"},
         {"any@bytes.pobox.example", "202", "full"},
         {"bytes-away@pobox.example", "202", "yes"},
         {"bytes-both@pobox.example", "202", "full"},
         {"bytes-none@pobox.example", "202", "no"}});
  put("bytes", "cur/2.b:2,S", 100);  // to the last byte
  check({{"bytes@pobox.example", "0", "full"},
         {"any@bytes.pobox.example", "0", "full"},
         {"free@pobox.example", "5000", "yes"}});
  // Anybody can call himself postmaster: qmail-local makes room for those only that are ours for certain.
  CHECK(rcptd.says("bytes@pobox.example", "RCPT", "Postmaster@pobox.example", "500") == "full");
  put("messages", "new/1.a", 5000);
  check({{"messages@pobox.example", "100000", "yes"}});
  put("messages", "new/2.b", 1);
  check({{"messages@pobox.example", "0", "full"}});
  // Nobody can tell: go on.
  REQUIRE(rename((hosted.account("messages").home + "/Maildir").c_str(),
                 (hosted.account("messages").home + "/away").c_str()) == 0);
  check({{"messages@pobox.example", "0", "yes"}});
}

TEST_CASE("rcptd: a full contract", "[rcptd]") {
  Hosted hosted(Controls{{"systemusers", "0\n"}});
  Contract contract;
  contract.name = "c1";
  contract.quota_bytes = 100000;
  contract.directories = {"/srv/c1"};
  hosted.accounts({"in", "out"},
                  [](Account& account) { account.contract = account.login == "in" ? "c1" : ""; }, {contract});
  hosted.dot("in", ".qmail-away", "&x@there.example\n");
  Rcptd rcptd;
  const auto says = [&](const std::string& login, const std::string& size) {
    CAPTURE(rcptd.log_text());
    return rcptd.says(login + "@pobox.example", "RCPT", "s@there.example", size);
  };
  CHECK(says("in", "0") == "yes");  // nobody has measured it
  Hosted::contract_use("c1", 50000, now_seconds());
  CHECK(says("in", "0") == "yes");
  CHECK(says("in", "200000") == "full");  // what is certainly too much
  Hosted::contract_use("c1", 100000, now_seconds());
  CHECK(says("in", "0") == "full");
  CHECK(says("in-away", "0") == "yes");
  CHECK(says("out", "0") == "yes");
  Hosted::contract_use("c1", 100000, now_seconds() - contract_use_seconds - 60);
  CHECK(says("in", "0") == "yes");  // too old to be believed
}

TEST_CASE("rcptd: tells the panel how full a mailbox is", "[rcptd]") {
  Hosted hosted(Controls{});
  hosted.accounts({"abc"}, [](Account& account) { account.quota_bytes = 12345; });
  const Account& abc = hosted.account("abc");
  Hosted::write_owned(abc.home + "/Maildir/new/1.a", std::string(77, 'x'), abc.uid, abc.gid, 0600);
  Rcptd rcptd;
  const auto ask = [&](const std::string& account, uid_t uid, gid_t gid) {
    ScratchDirectory scratch;
    Start start{{"/usr/bin/python3", "-c",
                 "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                 "s.sendall(('request=mailbox_use\\naccount=' + sys.argv[2] + '\\n\\n').encode())\n"
                 "print(s.recv(4096).decode(), end='')",
                 home_path("gate/policy/rcptd"), account}};
    start.uid = uid;
    start.gid = gid;
    return run(start).out;
  };
  const User qmailc = *passwd_user(std::string(conf::user_qmailc)),
             qmaild = *passwd_user(std::string(conf::user_qmaild));
  const std::string use = "bytes=77\nmessages=1\nquota_bytes=12345\nquota_messages=0\n\n";
  CHECK(ask("abc", 0, 0) == use);
  CHECK(ask("ABC", qmailc.uid, qmailc.gid) == use);
  CHECK(ask("nobody", qmailc.uid, qmailc.gid) == "error=no such account\n\n");
  CHECK(ask("abc", abc.uid, qmaild.gid) == use);
  for (const char* account : {"abc", "nobody"})
    CHECK(ask(account, qmaild.uid, qmaild.gid) == "error=not yours to ask for\n\n");
  CHECK(ask("abc", abc.uid, abc.gid).empty());  // may not come near
}

// Done when: never "yes" where qmail-local finds no instruction, never "no" where it does, and "closed"
// only where it bounces with the same words. Homes, dot-files
// and modes at random, from a number that the failure shows.
TEST_CASE("rcptd: says what qmail-local finds", "[rcptd][property]") {
  const bool panel = GENERATE(false, true);
  const bool system_users = GENERATE(false, true);
  ScratchDirectory dotdir;
  Controls controls{{"systemusers", system_users ? "1\n" : "0\n"},
                    {"subdomains", "pobox.example\n"},
                    {"virtualdomains", "virtual.example:abc-v\n"},
                    {"locals", "pobox.example\nboth.example\n"}};
  if (panel) controls["dotdir"] = dotdir.path() + "\n";
  const User qmailc = *passwd_user(std::string(conf::user_qmailc)),
             alias = *passwd_user(std::string(conf::user_alias));
  std::size_t compared = 0, yes = 0, no = 0, later = 0, closed = 0;
  for (unsigned round = 0; round < 4; ++round) {
    std::mt19937 random(1000 * round + 2 * panel + system_users);
    const auto any = [&](std::size_t n) { return random() % n; };
    const auto one_of = [&](auto&& list) {
      return *(std::begin(list) + static_cast<long>(any(std::size(list))));
    };
    Hosted hosted(controls);
    hosted.accounts({"abc", "abc-info", "own customer.example", "shop", "info@shop.example",
                     "info-x@both.example", "a.b", "v"});
    const char* names[] = {".qmail",         ".qmail-foo",  ".qmail-foo-default", ".qmail-default",
                           ".qmail-foo-bar", ".qmail-info", ".qmail-v-x",         ".qmail-x:y",
                           ".qmail-",        ".qmail-foo-", ".qmail-v-default"};
    const char* texts[] = {"",
                           "./Maildir/\n",
                           "./Maildir/\n&x@there.example\n",
                           "# nothing\n",
                           " blank\n",
                           "&x@there.example\n",
                           "+list\n&x@there.example\n",
                           "./mbox\n",
                           "./../elsewhere/\n",
                           "|bouncesaying 'it is closed'\n",
                           "+list\n|bouncesaying closed\n",
                           "\n"};
    const char* closings[] = {"|bouncesaying 'it is closed'\n",
                              "&x@there.example\n|bouncesaying closed\n./Maildir/\n",
                              "./Maildir/\n|bouncesaying closed\n"};
    const mode_t modes[] = {0644, 0644, 0600, 0640, 0666, 0000, 0744, 0664};
    const auto dots = [&](const std::string& directory, uid_t owner, gid_t group, uid_t foreign) {
      for (const char* name : names) {
        if (any(3) != 0) continue;
        const std::string path = directory + "/" + name;
        switch (any(12)) {
          case 0:
            if (mkdir(path.c_str(), 0755) != 0) throw_errno(path);
            break;
          case 1:
            if (symlink(one_of(std::initializer_list<const char*>{"nowhere", "/etc/passwd", "Maildir",
                                                                  ".qmail-foo"}),
                        path.c_str()) != 0)
              throw_errno(path);
            break;
          case 2:
            Hosted::write_owned(path, one_of(texts), foreign, foreign, one_of(modes));
            break;
          case 3:
          case 4:
          case 5:
            Hosted::write_owned(path, one_of(closings), owner, group, 0644);
            break;
          default:
            Hosted::write_owned(path, one_of(texts), owner, group, one_of(modes));
        }
      }
    };
    for (const Account& account : hosted.all()) {
      dots(account.home, account.uid, account.gid, any(2) == 0 ? 0 : first_uid + 77);
      own(account.home, account.uid, account.gid,
          one_of(std::initializer_list<mode_t>{0755, 0755, 0755, 0700, 0711, 0750, 0777, 01755, 0600}));
      const std::string rules = dotdir.file(account.login);
      std::filesystem::remove_all(rules);
      if (any(4) == 0) continue;
      if (mkdir(rules.c_str(), 0750) != 0) throw_errno(rules);
      dots(rules, qmailc.uid, account.gid, any(2) == 0 ? 0 : account.uid);
      own(rules, any(8) == 0 ? account.uid : qmailc.uid, account.gid, any(8) == 0 ? 0770 : 0750);
    }
    own(dotdir.path(), any(2) == 0 ? 0 : qmailc.uid, qmailc.gid, 0755);
    Hosted::empty_alias();
    dots(home_path("alias"), alias.uid, alias.gid, 0);
    Rcptd rcptd;
    std::vector<std::string> addresses;
    for (const char* local : {"abc", "abc-info", "own", "shop", "a.b", "v", "nobody", "info", "info-x", "x"})
      for (const char* ext :
           {"", "-", "-foo", "-FOO", "-foo-bar", "-foo-baz", "-x.y", "-default", "-../x", "-v-x"})
        for (const char* domain :
             {"pobox.example", "both.example", "abc.pobox.example", "a.b.pobox.example",
              "nosuch.pobox.example", "customer.example", "shop.example", "virtual.example"})
          if (any(4) == 0) addresses.push_back(std::string(local) + ext + "@" + domain);
    for (const std::string& address : addresses) {
      const std::string found = delivery_says(address), said = rcptd.says(address);
      CAPTURE(panel, system_users, round, address, found, said, rcptd.log_text());
      ++compared;
      yes += found == "yes", no += found == "no", later += found == "later";
      if (said.starts_with("closed ")) {
        ++closed;
        const std::string words = said.substr(7, said.rfind(" (#") - 7);
        CHECK(delivery_says(address, true) == "bounced " + words + "\n");
      } else if (said != (found == "no" ? "no" : "yes")) {
        FAIL_CHECK("they differ");
      }
    }
  }
  CAPTURE(compared, yes, no, later, closed);
  CHECK(compared > 700);
  CHECK((yes > 50 && no > 50 && later > 20 && closed > 2));
}

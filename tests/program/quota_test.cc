// qmail-local for an account with a quota: qmail-quota(5). The real executable as an ordinary user, the
// message in a file of the queue's form, the control files in a home of the test's own.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "lib/store/contract_use.h"
#include "lib/store/maildir.h"
#include "lib/store/maildirsize.h"
#include "lib/store/queuefile.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t uid = 64220;  // nobody's
constexpr gid_t gid = 64221;
const std::string full = "sorry, mailbox is full (#4.2.2)\n",
                  full_for_good = "sorry, mailbox is full (#5.2.2)\n";

struct Mail {
  std::string text = "Subject: test\n\n" + std::string(85, 'x') + "\n";  // 101 bytes
  std::string prepended = "Received: by us\n";
  std::string sender = "sender@from.example";
  Kind kind = Kind::mx;
  std::uint32_t uid = 1000;
  std::int64_t age = 0;  // seconds
  bool queued = true;    // false: a plain file
};

class Customer {
 public:
  Customer() : home_({"qmail-local"}) {
    path = scratch_.path() + "/abc";
    REQUIRE(mkdir(path.c_str(), 0755) == 0);
    REQUIRE(chown(path.c_str(), uid, gid) == 0);
    maildir("Maildir");
    account.login = "abc";
    account.uid = uid;
    account.gid = gid;
    account.home = path;
    home_.write("control/me", "mail.example\n");
    home_.write("control/locals", "mail.example\nLocal.Example\n");
  }
  void control(const std::string& name, const std::string& text) const {
    home_.write("control/" + name, text);
  }
  void maildir(const std::string& name) const {
    make_maildir(path + "/" + name);
    for (const char* part : {"", "/tmp", "/new", "/cur"})
      REQUIRE(chown((path + "/" + name + part).c_str(), uid, gid) == 0);
  }
  Outcome deliver(const Mail& message = {}, const std::string& to = "./Maildir/") const {
    const Fd fd = file_of(message);
    const FdPair out = make_pipe(), err = make_pipe();
    Process process(start(fd.get(), out.second.get(), err.second.get(), message.sender, to));
    Outcome outcome{process.wait(), "", ""};
    for (const auto& [from, into] :
         {std::pair{out.first.get(), &outcome.out}, {err.first.get(), &outcome.err}}) {
      set_nonblocking(from, true);
      char space[4096];
      for (ssize_t n; (n = read(from, space, sizeof space)) > 0;)
        into->append(space, static_cast<std::size_t>(n));
    }
    return outcome;
  }
  // So many at the same time.
  void deliver_together(int number, const std::string& to = "./Maildir/") const {
    const Fd null = open_file("/dev/null", O_RDWR);
    std::vector<Fd> messages;
    std::vector<std::unique_ptr<Process>> processes;
    for (int i = 0; i < number; ++i) {
      messages.push_back(file_of({.text = std::string(static_cast<std::size_t>(100 + i), 'x')}));
      processes.push_back(std::make_unique<Process>(
          start(messages.back().get(), null.get(), null.get(), "sender@from.example", to)));
    }
    for (const auto& process : processes) CHECK(process->wait() == 0);
  }
  std::vector<std::string> delivered(const std::string& to = "Maildir") const {
    return names_in(path + "/" + to + "/new");
  }
  std::string text_of(const std::string& name) const { return slurp(path + "/Maildir/new/" + name); }
  std::string size_file() const { return slurp(path + "/Maildir/maildirsize"); }
  // What the files in the Maildir's new/ have, and how many they are.
  std::string real_line() const {
    std::uint64_t bytes = 0;
    for (const std::string& name : delivered()) bytes += fs::file_size(path + "/Maildir/new/" + name);
    return std::to_string(bytes) + " " + std::to_string(delivered().size()) + "\n";
  }
  void forget_count() const { unlink((path + "/Maildir/maildirsize").c_str()); }
  // The tables of contracts.
  void contract(std::uint64_t quota, const ContractUse& use) const {
    CdbWriter accounts(home_.path("users/accounts.cdb"));
    Contract contract;
    contract.name = "gold";
    contract.quota_bytes = quota;
    contract.directories = {path};
    accounts.add("cgold", encode_contract(contract));
    accounts.commit();
    CdbWriter uses(home_.path("users/contract-use.cdb"));
    uses.add("cgold", encode_contract_use(use));
    uses.commit();
  }

  Account account;
  std::string path;

 private:
  Start start(int message, int out, int err, const std::string& sender, const std::string& to) const {
    return {
        .args = {home_.path("bin/qmail-local"), "--", "abc", path, "abc", "", "", "mail.example", sender, to},
        .env = {{account_variable, encode_account_variable(account, false)}},
        .fds = {{0, message}, {1, out}, {2, err}},
        .uid = uid,
        .gid = gid,
        .directory = "/"};
  }
  Fd file_of(const Mail& message) const {
    const std::string name = scratch_.path() + "/message";
    unlink(name.c_str());
    const Fd file = open_file(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!message.queued) {
      write_all(file.get(), message.prepended + message.text, name);
      return open_file(name, O_RDONLY);
    }
    QueueHeader header;
    header.birth_us = static_cast<std::uint64_t>(now_us() - message.age * 1'000'000);
    header.trace = "0123456789abc";
    header.message_start = queue_format::message_area - message.prepended.size();
    header.message_end = queue_format::message_area + message.text.size();
    const std::string envelope = encode_envelope(QueuedEnvelope{});
    header.envelope_length = envelope.size();
    header.envelope_crc = crc32c(envelope);
    header.uid = message.uid;
    header.kind = message.kind;
    pwrite_all(file.get(), encode_header(header), 0, name);
    pwrite_all(file.get(), envelope, queue_format::header_size, name);
    pwrite_all(file.get(), message.prepended + message.text, static_cast<off_t>(header.message_start), name);
    Fd fd = open_file(name, O_RDONLY);
    lseek(fd.get(), static_cast<off_t>(header.message_start), SEEK_SET);
    return fd;
  }

  PrivateHome home_;
  Scratch scratch_;
};

}  // namespace

TEST_CASE("qmail-local: maildirsize is kept", "[quota]") {
  Customer abc;
  abc.account.quota_bytes = 100'000;
  abc.account.quota_messages = 1000;
  for (int i = 0; i < 4; ++i) CHECK(abc.deliver().out == "did 1+0+0\n");
  const std::string size_file = abc.size_file();
  CHECK(size_file.starts_with("100000S,1000C\n"));
  const std::optional<Maildirsize> said = parse_maildirsize(size_file);
  REQUIRE(said);
  CHECK(maildirsize_line(static_cast<std::int64_t>(said->use.bytes),
                         static_cast<std::int64_t>(said->use.messages)) == abc.real_line());
  abc.forget_count();
  CHECK(abc.deliver({.text = std::string(101'000, 'y')}).err == full);
  CHECK(abc.size_file() == "100000S,1000C\n" + abc.real_line());
  CHECK(abc.delivered().size() == 4);
}

TEST_CASE("qmail-local: a full mailbox", "[quota]") {
  Customer abc;
  abc.account.quota_bytes = 404;
  const Mail message;
  REQUIRE(message.text.size() == 101);
  abc.control("quotawarn", "0\n");
  // Return-Path, Delivered-To and Received are ours: they count once they are there, but refuse nothing.
  CHECK(abc.deliver().code == 0);
  const std::uint64_t stored = fs::file_size(abc.path + "/Maildir/new/" + abc.delivered()[0]);
  abc.account.quota_bytes = stored + 101;
  CHECK(abc.deliver().code == 0);
  CHECK(abc.delivered().size() == 2);
  abc.account.quota_bytes = 2 * stored + 100;
  const Outcome refused = abc.deliver();
  CHECK(refused.code == 111);
  CHECK(refused.err == full);
  CHECK(abc.delivered().size() == 2);
  SECTION("another Maildir of his is not his mailbox") {
    abc.maildir("Other");
    CHECK(abc.deliver({}, "./Other/").code == 0);
  }
  SECTION("a folder of it is, whatever it is called") {
    abc.maildir("Maildir/.Lists");
    REQUIRE(symlink("Maildir/.Lists", (abc.path + "/link").c_str()) == 0);
    for (const char* to :
         {"./Maildir/.Lists/", "./Maildir/", ".//Maildir/./", "./link/", "./Maildir/.Lists/../"})
      CHECK(abc.deliver({}, to).err == full);
    CHECK(abc.delivered("Maildir/.Lists").empty());
  }
  SECTION("a smaller one fits") {
    CHECK(abc.deliver({.text = "Subject: x\n"}).code == 0);
  }
  SECTION("after a day it is given up") {
    CHECK(abc.deliver({.age = 86'000}).err == full);
    const Outcome late = abc.deliver({.age = 86'400});
    CHECK(late.code == 100);
    CHECK(late.err == full_for_good);
  }
  SECTION("or when the operator says") {
    abc.control("quotalifetime", "60\n");
    CHECK(abc.deliver({.age = 50}).err == full);
    CHECK(abc.deliver({.age = 60}).err == full_for_good);
  }
  SECTION("a message from elsewhere than the queue has no age, and waits") {
    CHECK(abc.deliver({.text = std::string(1000, 'x'), .age = 1'000'000, .queued = false}).err == full);
  }
  SECTION("one more of which there may be so many") {
    abc.account.quota_bytes = 0;
    abc.account.quota_messages = 2;
    CHECK(abc.deliver().err == full);
    abc.account.quota_messages = 3;
    CHECK(abc.deliver().code == 0);
  }
  SECTION("no quota at all") {
    abc.account.quota_bytes = 0;
    CHECK(abc.deliver().code == 0);
  }
  SECTION("the postmaster's still fits: root of this host, and nobody else") {
    const Mail postmaster{.sender = "Postmaster@local.example", .kind = Kind::local, .uid = 0};
    Mail other = postmaster;
    other.kind = Kind::mx;
    CHECK(abc.deliver(other).err == full);
    other = postmaster;
    other.uid = 1000;
    CHECK(abc.deliver(other).err == full);
    other = postmaster;
    other.sender = "postmaster@elsewhere.example";
    CHECK(abc.deliver(other).err == full);
    other = postmaster;
    other.sender = "root@mail.example";
    CHECK(abc.deliver(other).err == full);
    other = postmaster;
    other.sender = "";
    CHECK(abc.deliver(other).err == full);
    other = postmaster;
    other.queued = false;
    CHECK(abc.deliver(other).err == full);
    CHECK(abc.deliver(postmaster).code == 0);
    CHECK(abc.delivered().size() == 3);
  }
}

TEST_CASE("qmail-local: a warning, once", "[quota]") {
  Customer abc;
  abc.account.quota_messages = 10;
  abc.control("quotawarn", "70\n");
  abc.control("bouncelanguage", "en\n");
  const auto warnings = [&] {
    std::vector<std::string> found;
    for (const std::string& name : abc.delivered())
      if (const std::string text = abc.text_of(name); text.find("Auto-Submitted:") != std::string::npos)
        found.push_back(text);
    return found;
  };
  for (int i = 0; i < 6; ++i) CHECK(abc.deliver().code == 0);
  CHECK(warnings().empty());
  CHECK(abc.deliver().code == 0);
  REQUIRE(warnings().size() == 1);
  const std::string text = warnings()[0];
  CHECK(text.starts_with("Return-Path: <>\nDate: "));
  CHECK(
      text.find(
          "\nFrom: postmaster@mail.example\nTo: abc@mail.example\nSubject: your mailbox is nearly full\n") !=
      std::string::npos);
  CHECK(text.find("The mailbox of abc@mail.example has reached 70% of what it may hold.\n") !=
        std::string::npos);
  CHECK(text.find("Messages: 7 of 10\n") != std::string::npos);
  CHECK(abc.delivered().size() == 8);
  abc.forget_count();
  CHECK(abc.deliver({.text = std::string(10, 'x')}).code == 0);
  CHECK(abc.delivered().size() == 9);  // above it already
  // The warning is counted as any message.
  const std::string counted = abc.size_file();
  CHECK(counted.starts_with("10C\n"));
  // Below and above again, but not a day later.
  for (const std::string& name : abc.delivered()) unlink((abc.path + "/Maildir/new/" + name).c_str());
  abc.forget_count();
  for (int i = 0; i < 8; ++i) CHECK(abc.deliver().code == 0);
  CHECK(warnings().empty());
  // A day later, in the operator's words.
  const timespec long_ago[] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  REQUIRE(utimensat(AT_FDCWD, (abc.path + "/Maildir/quotawarn").c_str(), long_ago, 0) == 0);
  abc.control("quotawarntext", "Subject: {percent}\n\nHello {address}\n");
  for (const std::string& name : abc.delivered()) unlink((abc.path + "/Maildir/new/" + name).c_str());
  abc.forget_count();
  for (int i = 0; i < 7; ++i) CHECK(abc.deliver().code == 0);
  REQUIRE(warnings().size() == 1);
  CHECK(warnings()[0].find("\nSubject: 70\n") != std::string::npos);
  CHECK(warnings()[0].ends_with("\n\nHello abc@mail.example\n"));
}

TEST_CASE("qmail-local: the contract", "[quota]") {
  Customer abc;
  const std::int64_t now = now_seconds();
  CHECK(abc.deliver().code == 0);
  abc.account.contract = "gold";
  CHECK(abc.deliver().code == 0);  // nobody has measured
  abc.contract(1000, {.bytes = 899, .measured = now});
  CHECK(abc.deliver().code == 0);
  abc.contract(1000, {.bytes = 900, .measured = now});
  CHECK(abc.deliver().err == full);
  CHECK(abc.deliver({.age = 90'000}).err == full_for_good);
  CHECK(abc.deliver({}, "./mbox").err == full);
  CHECK(abc.deliver({.sender = "postmaster@mail.example", .kind = Kind::local, .uid = 0}).code == 0);
  abc.contract(1000, {.bytes = 900, .measured = now - 90'000});
  CHECK(abc.deliver().code == 0);  // who measures has stopped
  abc.contract(0, {.bytes = 900, .limit = 1000, .measured = now});
  CHECK(abc.deliver().err == full);
  abc.contract(1'000'000, {.bytes = 900, .measured = now, .uncountable = true});
  CHECK(abc.deliver().err == full);
}

TEST_CASE("qmail-local: parallel deliveries agree with what is there", "[quota]") {
  Customer abc;
  abc.account.quota_bytes = 10'000'000;
  for (int round = 0; round < 6; ++round) {
    if (round % 2 == 0) abc.forget_count();  // then several count while others deliver
    abc.deliver_together(8);
    const std::optional<Maildirsize> said = parse_maildirsize(abc.size_file());
    if (!said) continue;  // removed: the next one counts
    const std::string sum = maildirsize_line(static_cast<std::int64_t>(said->use.bytes),
                                             static_cast<std::int64_t>(said->use.messages));
    CHECK(sum == abc.real_line());
  }
  CHECK(abc.delivered().size() == 48);
  abc.forget_count();
  abc.control("quotawarn", "0\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // so that one look is enough to count
  abc.deliver_together(1);
  abc.deliver_together(8);
  const std::optional<Maildirsize> said = parse_maildirsize(abc.size_file());
  REQUIRE(said);  // nobody had a reason to count anew
  CHECK(maildirsize_line(static_cast<std::int64_t>(said->use.bytes),
                         static_cast<std::int64_t>(said->use.messages)) == abc.real_line());
}

namespace {

// What du(1) says of directories, in bytes.
std::uint64_t du(const std::string& path) {
  const Outcome said = hato::test::run(Start{.args = {"/usr/bin/du", "-sx", "--block-size=1", path}});
  return std::stoull(said.out);
}

class Contracts {
 public:
  Contracts() : home_({"qmail-contractuse"}) {}
  void set(const std::vector<Contract>& contracts) const {
    CdbWriter writer(home_.path("users/accounts.cdb"));
    for (const Contract& contract : contracts) writer.add("c" + contract.name, encode_contract(contract));
    writer.add("", encode_generation(1));
    writer.commit();
  }
  Outcome measure(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), home_.path("bin/qmail-contractuse"));
    return hato::test::run(Start{.args = arguments});
  }
  std::optional<ContractUse> use(const std::string& name) const {
    return ContractUses(home_.path("users/contract-use.cdb")).find(name);
  }
  std::string path(const std::string& below) const { return scratch_.path() + "/" + below; }
  void file(const std::string& below, std::size_t size) const {
    const Fd fd = open_file(path(below), O_WRONLY | O_CREAT, 0600);
    write_all(fd.get(), std::string(size, 'x'), below);
    fsync_fd(fd.get(), below);  // so that it has its blocks
  }

 private:
  PrivateHome home_;
  Scratch scratch_;
};

Contract contract_of(const std::string& name, std::vector<std::string> directories) {
  Contract contract;
  contract.name = name;
  contract.quota_bytes = 1'000'000;
  contract.directories = std::move(directories);
  return contract;
}

}  // namespace

TEST_CASE("qmail-contractuse: what du says", "[quota]") {
  const Contracts contracts;
  fs::create_directories(contracts.path("a/b/c"));
  fs::create_directories(contracts.path("other"));
  contracts.file("a/one", 100'000);
  contracts.file("a/b/c/two", 5);
  contracts.file("other/three", 300'000);
  fs::create_hard_link(contracts.path("a/one"), contracts.path("a/b/again"));
  fs::create_symlink("../other", contracts.path("a/link"));
  fs::create_symlink("/etc", contracts.path("a/b/etc"));
  fs::create_symlink("a", contracts.path("a-link"));
  REQUIRE(mkfifo(contracts.path("a/fifo").c_str(), 0600) == 0);
  REQUIRE(truncate(contracts.path("a/b/c/two").c_str(), off_t{1} << 40) == 0);  // a hole takes nothing
  contracts.set({contract_of("gold", {contracts.path("a")}),
                 contract_of("both", {contracts.path("a"), contracts.path("other")}),
                 contract_of("link", {contracts.path("a-link")}),
                 contract_of("gone", {contracts.path("none")})});
  const std::int64_t before = now_seconds();
  const Outcome outcome = contracts.measure({"-v"});
  CHECK(outcome.code == 0);
  const std::uint64_t a = du(contracts.path("a")), other = du(contracts.path("other"));
  CHECK(outcome.out == "both " + std::to_string(a + other) + " 1000000\ngold " + std::to_string(a) +
                           " 1000000\ngone 0 1000000\nlink 0 1000000\n");
  REQUIRE(contracts.use("gold"));
  CHECK(contracts.use("gold")->bytes == a);
  CHECK(contracts.use("gold")->measured >= before);
  CHECK_FALSE(contracts.use("gold")->uncountable);
  CHECK(contracts.use("both")->bytes == a + other);
  CHECK_FALSE(contracts.use("nobody"));

  SECTION("only one") {
    contracts.file("a/more", 50'000);
    contracts.file("other/more", 50'000);
    CHECK(contracts.measure({"gold"}).code == 0);
    CHECK(contracts.use("gold")->bytes == du(contracts.path("a")));
    CHECK(contracts.use("gold")->bytes > a);
    CHECK(contracts.use("both")->bytes == a + other);
  }
  SECTION("one that is not there") {
    const Outcome no = contracts.measure({"nobody"});
    CHECK(no.code == 100);
    CHECK(no.err == "qmail-contractuse: no contract nobody\n");
    CHECK(contracts.measure({"-x"}).code == 100);
  }
  SECTION("a contract that ended is forgotten") {
    contracts.set({contract_of("gold", {contracts.path("a")})});
    CHECK(contracts.measure().code == 0);
    CHECK_FALSE(contracts.use("both"));
  }
  SECTION("what cannot be measured keeps what it had; the rest is measured") {
    Contract quota = contract_of("gold", {contracts.path("none")});  // no file system there
    quota.kind = Contract::Kind::user;
    quota.id = 1000;
    fs::remove_all(contracts.path("other"));
    contracts.set({quota, contract_of("both", {contracts.path("a"), contracts.path("other")})});
    const Outcome part = contracts.measure();
    CHECK(part.code == 111);
    CHECK(part.err.starts_with("qmail-contractuse: contract gold: open "));
    CHECK(contracts.use("gold")->bytes == a);
    CHECK(contracts.use("both")->bytes == a);
  }
}

TEST_CASE("qmail-contractuse: a tree that hides what is in it", "[quota]") {
  const Contracts contracts;
  std::string deep = "deep";
  for (int i = 0; i < 600; ++i) deep += "/d";
  fs::create_directories(contracts.path(deep));
  contracts.set({contract_of("deep", {contracts.path("deep")})});
  const Outcome outcome = contracts.measure();
  CHECK(outcome.code == 0);
  CHECK(outcome.err == "qmail-contractuse: warning: contract deep has more than can be counted\n");
  REQUIRE(contracts.use("deep"));
  CHECK(contracts.use("deep")->uncountable);
}

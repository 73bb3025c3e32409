// qmail-pop3d(8): the real executable as a real user; and the whole chain from qmail-popup on.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/program/account.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

constexpr uid_t nobody = 65534;

// A Maildir of nobody's; folders and files are made by the test.
struct Mail {
  ScratchDirectory home;
  Mail() {
    for (const char* folder : {"", "/tmp", "/new", "/cur"}) {
      const std::string path = home.path() + "/Maildir" + folder;
      REQUIRE(mkdir(path.c_str(), 0700) == 0);
      REQUIRE(chown(path.c_str(), nobody, nobody) == 0);
    }
  }
  std::string path(const std::string& file) const { return home.path() + "/Maildir/" + file; }
  void put(const std::string& file, const std::string& text) const {
    write_owned(path(file), text, nobody, nobody, 0600);
  }
  bool has(const std::string& file) const { return access(path(file).c_str(), F_OK) == 0; }
};

struct Pop3 {
  FdPair client = make_socketpair(SOCK_STREAM);
  Process child;
  explicit Pop3(const Mail& mail, const std::string& maildir = "Maildir")
      : child({.args = {installed("qmail-pop3d"), maildir},
               .fds = {{0, client.second.get()}, {1, client.second.get()}},
               .uid = nobody,
               .gid = nobody,
               .directory = mail.home.path()}) {
    client.second.reset();
  }
  std::string all(const std::string& commands) {
    write_all(client.first.get(), commands, "client");
    return read_to_end(client.first.get());
  }
  std::string line() { return read_until(client.first.get(), "\n"); }
  std::string ask(const std::string& command) {
    write_all(client.first.get(), command + "\r\n", "client");
    return line();
  }
};

const std::string three_octets("\xe3\x81\x82");

}  // namespace

TEST_CASE("qmail-pop3d: a session, all commands in one packet", "[pop3d]") {
  Mail mail;
  mail.put("new/1700000001.M1P1.h,S=14", "a: b\n\n.dot\nx\xff\n");
  mail.put("cur/1700000002.M1P1.h:2,S", "c: " + three_octets);
  mail.put("new/1700000003.M1P1.h", "e: f\r\n\r\nl1\r\nl2\r\n");
  Pop3 pop(mail);
  const std::string commands =
      "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nTOP 3 1\r\nLIST 2\r\nUIDL 2\r\nLAST\r\nDELE 1\r\nDELE "
      "1\r\nRETR 1\r\n"
      "STAT\r\nLIST\r\nNOOP\r\nRSET\r\nLAST\r\nSTAT\r\nDELE 2\r\nXTND\r\nRETR 0\r\nRETR 4\r\nRETR "
      "x\r\nRETR\r\nQUIT\r\n";
  const std::string replies =
      "+OK \r\n"
      "+OK 3 36\r\n"
      "+OK \r\n1 14\r\n2 6\r\n3 16\r\n.\r\n"
      "+OK \r\n1 1700000001.M1P1.h,S=14\r\n2 1700000002.M1P1.h\r\n3 1700000003.M1P1.h\r\n.\r\n"
      "+OK \r\na: b\r\n\r\n..dot\r\nx\xff\r\n.\r\n"
      "+OK \r\nc: " +
      three_octets +
      "\r\n.\r\n"
      "+OK \r\ne: f\r\n\r\nl1\r\n.\r\n"
      "+OK 2 6\r\n"
      "+OK 2 1700000002.M1P1.h\r\n"
      "+OK 2\r\n"
      "+OK \r\n"
      "-ERR already deleted\r\n"
      "-ERR already deleted\r\n"
      "+OK 2 22\r\n"
      "+OK \r\n2 6\r\n3 16\r\n.\r\n"
      "+OK \r\n"
      "+OK \r\n"
      "+OK 0\r\n"
      "+OK 3 36\r\n"
      "+OK \r\n"
      "-ERR unimplemented\r\n"
      "-ERR messages are counted from 1\r\n"
      "-ERR not that many messages\r\n"
      "-ERR syntax error\r\n"
      "-ERR syntax error\r\n"
      "+OK \r\n";
  CHECK(pop.all(commands) == replies);
  CHECK(pop.child.wait() == 0);
  CHECK(mail.has("cur/1700000001.M1P1.h,S=14:2,S"));
  CHECK_FALSE(mail.has("cur/1700000002.M1P1.h:2,S"));
  CHECK(mail.has("cur/1700000003.M1P1.h:2,"));  // TOP is not reading
}

TEST_CASE("qmail-pop3d: without QUIT nothing changes", "[pop3d]") {
  Mail mail;  // RFC 1939 section 6
  mail.put("new/1700000001.1.h", "x\n");
  Pop3 pop(mail);
  CHECK(pop.line() == "+OK \r\n");
  CHECK(pop.ask("DELE 1") == "+OK \r\n");
  pop.client.first.reset();
  CHECK(pop.child.wait() == 0);
  CHECK(mail.has("new/1700000001.1.h"));
}

TEST_CASE("qmail-pop3d: a file that vanishes during the session", "[pop3d]") {
  Mail mail;
  mail.put("new/1700000001.1.h", "x\n");
  mail.put("new/1700000002.1.h", "y\n");
  Pop3 pop(mail);
  pop.line();
  unlink(mail.path("new/1700000001.1.h").c_str());
  REQUIRE(rename(mail.path("new/1700000002.1.h").c_str(), mail.path("cur/1700000002.1.h:2,R").c_str()) == 0);
  CHECK(pop.ask("RETR 1") == "-ERR unable to open that message\r\n");
  CHECK(pop.ask("DELE 1") == "+OK \r\n");
  CHECK(pop.ask("DELE 2") == "+OK \r\n");
  CHECK(pop.ask("QUIT") == "+OK \r\n");
  CHECK_FALSE(mail.has("cur/1700000002.1.h:2,R"));
}

TEST_CASE("qmail-pop3d: what is no message is not sent", "[pop3d]") {
  Mail mail;
  mail.put("new/1700000001.1.h", "x\n");
  REQUIRE(mkfifo(mail.path("new/1700000002.1.h").c_str(), 0600) == 0);
  write_owned(mail.path("new/1700000003.1.h"), "root's\n", 0, 0, 0600);
  REQUIRE(symlink("/etc/passwd", mail.path("new/1700000004.1.h").c_str()) == 0);
  Pop3 pop(mail);
  pop.line();
  CHECK(pop.ask("RETR 3") == "-ERR unable to open that message\r\n");
  CHECK(pop.ask("RETR 4") == "-ERR unable to open that message\r\n");  // outside of the Maildir: sealed off
  CHECK(pop.ask("RETR 1").substr(0, 6) == "+OK \r\n");
}

TEST_CASE("qmail-pop3d: a large message, byte for byte", "[pop3d]") {
  Mail mail;
  std::string text = "a: b\n\n";
  for (unsigned i = 0; text.size() < 3000000; ++i) {
    text += static_cast<char>(i * 2654435761U >> 24);
    if (text.back() == '\r') text.back() = '.';  // a CR before a LF would be taken as a line end
  }
  text += "\n";
  std::string wire;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (text[at] == '.') wire += '.';
    wire += text.substr(at, end - at) + "\r\n";
    at = end + 1;
  }
  mail.put("cur/1700000001.1.h", text);
  Pop3 pop(mail);
  const bool same = pop.all("RETR 1\r\nQUIT\r\n") == "+OK \r\n+OK \r\n" + wire + ".\r\n+OK \r\n";
  CHECK(same);
}

TEST_CASE("qmail-pop3d: an overlong command line is refused and skipped", "[pop3d]") {
  Mail mail;
  Pop3 pop(mail);
  CHECK(pop.all(std::string(100000, 'x') + "\r\nSTAT\r\nQUIT\r\n") ==
        "+OK \r\n-ERR command line longer than 512 bytes\r\n+OK 0 0\r\n+OK \r\n");
}

TEST_CASE("qmail-pop3d reads a large Maildir once, and asks for a size at most once", "[pop3d]") {
  constexpr int messages = 2000;
  const bool sizes_in_names = GENERATE(true, false);
  CAPTURE(sizes_in_names);
  Mail mail;
  for (int i = 0; i < messages; ++i)
    mail.put("cur/" + std::to_string(1700000000 + i) + ".1.h" + (sizes_in_names ? ",S=2" : "") + ":2,S",
             "x\n");
  const std::string trace = mail.home.file("trace");
  FdPair client = make_socketpair(SOCK_STREAM);
  Process child(
      {.args = {"/usr/bin/strace", "-u", "nobody", "-o", trace, installed("qmail-pop3d"), "Maildir"},
       .fds = {{0, client.second.get()}, {1, client.second.get()}},
       .directory = mail.home.path()});
  client.second.reset();
  std::string commands;
  for (int i = 0; i < 10; ++i) commands += "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\n";
  write_all(client.first.get(), commands + "QUIT\r\n", "client");
  const std::string replies = read_to_end(client.first.get());
  REQUIRE(child.wait() == 0);
  CHECK(replies.substr(0, 20) == "+OK \r\n+OK 2000 4000\r");

  const std::string calls = slurp(trace);
  const auto count = [&](const std::string& call) {
    int n = 0;
    for (std::size_t at = calls.find(call); at != std::string::npos; at = calls.find(call, at + 1)) ++n;
    return n;
  };
  CHECK(count("\nnewfstatat(") <= (sizes_in_names ? 10 : messages + 10));
  CHECK(count("getdents64(") <= 20);
  CHECK(count("openat(") <= 30);
}

TEST_CASE("qmail-pop3d without a Maildir, and as root", "[pop3d]") {
  Mail mail;
  {
    Pop3 pop(mail, "Nomaildir");
    CHECK(read_to_end(pop.client.first.get()) == "-ERR this user has no $HOME/Maildir\r\n");
    CHECK(pop.child.wait() == 0);
  }
  {
    REQUIRE(rmdir(mail.path("cur").c_str()) == 0);
    Pop3 pop(mail);
    CHECK(read_to_end(pop.client.first.get()) == "-ERR unable to scan $HOME/Maildir\r\n");
  }
  const Outcome root = run({.args = {installed("qmail-pop3d"), "Maildir"}, .directory = mail.home.path()});
  CHECK(root.err == "qmail-pop3d invoked as uid 0, terminating\n");
  CHECK(root.code == 1);
}

TEST_CASE("qmail-popup, checkpassword and qmail-pop3d in a row", "[pop3d]") {
  const Account account("correct horse");
  const std::string maildir = account.home() + "/Maildir";
  for (const char* folder : {"", "/tmp", "/new", "/cur"}) {
    REQUIRE(mkdir((maildir + folder).c_str(), 0700) == 0);
    REQUIRE(chown((maildir + folder).c_str(), account.uid(), account.gid()) == 0);
  }
  write_owned(maildir + "/new/1700000001.1.h,S=6", "a: b\n\n", account.uid(), account.gid(), 0600);
  FdPair client = make_socketpair(SOCK_STREAM);
  Process popup({.args = {installed("qmail-popup"), "pop.test", installed("checkpassword"),
                          installed("qmail-pop3d"), "Maildir"},
                 .fds = {{0, client.second.get()}, {1, client.second.get()}}});
  client.second.reset();
  read_until(client.first.get(), "\n");
  write_all(client.first.get(),
            "USER " + account.name() + "\r\nPASS correct horse\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n",
            "client");
  CHECK(read_to_end(client.first.get()) ==
        "+OK \r\n+OK \r\n+OK 1 6\r\n+OK \r\na: b\r\n\r\n.\r\n+OK \r\n+OK \r\n");
  CHECK(popup.wait() == 1);
  CHECK(access((maildir + "/new/1700000001.1.h,S=6").c_str(), F_OK) != 0);
}

// sendmail, qmail-inject, forward, condredirect, qreceipt, predate, datemail, mailsubj: the real ones, with
// the real gate or a $QMAILQUEUE of the test's own.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/mail/header.h"
#include "tests/catch.h"
#include "tests/program/gate.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

constexpr uid_t customer = 54321;

using Words = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

const Environment joe = {{"USER", "joe"}};

Outcome start(const std::string& program, const Words& words, const std::string& input,
              const Environment& environment = joe) {
  Start how{{installed(program)}, environment};
  how.args.insert(how.args.end(), words.begin(), words.end());
  how.uid = how.gid = customer;
  return run(how, input);
}

// The one message that the program queued.
Queued sent(const RunningGate& gate, const std::string& program, const Words& words, const std::string& input,
            const Environment& environment = joe) {
  gate.empty();
  const Outcome outcome = start(program, words, input, environment);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto queued = gate.queued();
  REQUIRE(queued.size() == 1);
  return queued[0];
}

std::string field(const std::string& message, const char* name) {
  const auto found = find_field(message, name);
  return found ? unfolded(found->body) : "(none)";
}

// A queue program that keeps what it gets and ends with a code; see qmail-queue(8).
struct FakeQueue {
  ScratchDirectory directory;
  std::string program;
  FakeQueue(int code, const std::string& text = "") {
    chmod(directory.path().c_str(), 0777);
    program = directory.write("queue", "#!/bin/sh\ncd '" + directory.path() +
                                           "' && cat >message && cat <&1 >envelope\n" +
                                           (text.empty() ? "" : "printf '" + text + "' >&6\n") + "exit " +
                                           std::to_string(code) + "\n");
    chmod(program.c_str(), 0755);
  }
  Environment environment() const { return {{"USER", "joe"}, {"QMAILQUEUE", program}}; }
};

Outcome start_on_file(const std::string& program, const Words& words, const std::string& message, off_t at,
                      const Environment& environment) {
  const ScratchDirectory scratch;
  const Fd file = open_file(scratch.write("message", message), O_RDONLY);
  lseek(file.get(), at, SEEK_SET);
  Start how{{installed(program)}, environment};
  how.args.insert(how.args.end(), words.begin(), words.end());
  how.uid = how.gid = customer;
  const Fd errors = open_file(scratch.write("err", ""), O_RDWR);
  how.fds = {{0, file.get()}, {1, errors.get()}, {2, errors.get()}};
  Process process(how);
  Outcome outcome;
  outcome.code = process.wait();
  outcome.err = slurp(scratch.file("err"));
  return outcome;
}

}  // namespace

TEST_CASE("sendmail -t: recipients of the header, missing fields added, Bcc removed (sendmail(8))") {
  const RunningGate gate({{"defaultdomain", "example.jp\n"}, {"defaulthost", "www.example.jp\n"}});
  const Queued mail =
      sent(gate, "sendmail", {"-t", "-i"}, "To: a@b.org\nCc: fred\nBcc: e@f.org\nSubject: x\n\nbody\n");
  CHECK(mail.recipients() == Words{"a@b.org", "fred@www.example.jp", "e@f.org"});
  CHECK(mail.envelope.sender == "joe@www.example.jp");
  CHECK(mail.header.kind == Kind::local);
  CHECK(mail.header.uid == customer);
  CHECK(field(mail.body, "From") == "joe@www.example.jp");
  CHECK(field(mail.body, "Date").ends_with(" -0000"));
  CHECK(field(mail.body, "Message-ID").ends_with(".qmail@test.example>"));
  CHECK(field(mail.body, "Bcc") == "(none)");
  CHECK(field(mail.body, "Cc") == "fred@www.example.jp");
  CHECK(mail.body.ends_with("Subject: x\n\nbody\n"));
}

TEST_CASE("what becomes of a message's text in sendmail") {
  const RunningGate gate;
  const auto [name, input, body] = GENERATE(table<const char*, std::string, std::string>({
      {"lone dot", "Subject: x\n\na\n.\nb\n", "\n\na\n.\nb\n"},
      {"CRLF", "Subject: x\r\n\r\na\r\n.\r\nb\r\n", "\n\na\n.\nb\n"},
      {"no final newline", "Subject: x\n\nlast", "\n\nlast"},
      {"header only", "Subject: x\n", "Subject: x\n"},
      {"header only, no final newline", "Subject: x", "Subject: x\n"},
      {"no empty line", "Subject: x\nbody text\n", "\n\nbody text\n"},
      {"8 bits", "Subject: x\n\n\x1b$B$3\x1b(B \xe9 \x80\xff\n", "\n\n\x1b$B$3\x1b(B \xe9 \x80\xff\n"},
      {"NUL and CR", "Subject: x\n\na\0b\rc\n"s, "\n\na\0b\rc\n"s},
      {"a long line", "Subject: x\n\n" + std::string(300000, 'l') + "\n", std::string(300000, 'l') + "\n"},
      {"mbox line", "From joe Mon Nov 23\nSubject: x\n\nb\n",
       "MBOX-Line: From joe Mon Nov 23\nSubject: x\n\nb\n"},
  }));
  CAPTURE(name);
  for (const Words& words : {Words{"-i", "a@b.org"}, Words{"a@b.org"}}) {
    const Queued mail = sent(gate, "sendmail", words, input);
    CHECK(mail.body.ends_with(body));
    CHECK(mail.recipients() == Words{"a@b.org"});
  }
}

TEST_CASE("sendmail -f and -F (sendmail(8))") {
  const RunningGate gate;
  Queued mail = sent(gate, "sendmail", {"-f", "s@x.org", "-F", "Some Body", "a@b.org"}, "Subject: x\n\n");
  CHECK(mail.envelope.sender == "s@x.org");
  CHECK(field(mail.body, "From") == "\"Some Body\" <s@x.org>");
  mail = sent(gate, "sendmail", {"-fs@x.org", "-t"}, "To: a@b.org\nFrom: me@y.org\n\n");
  CHECK(mail.envelope.sender == "s@x.org");
  CHECK(field(mail.body, "From") == "me@y.org");
  mail = sent(gate, "sendmail", {"-f", "<>", "a@b.org"}, "\n");
  CHECK(mail.envelope.sender.empty());
  mail = sent(gate, "sendmail", {"a@b.org,c..d@docomo.ne.jp", "a@b.org", "鳩@例え.jp"}, "\n");
  CHECK(mail.recipients() == Words{"a@b.org", "c..d@docomo.ne.jp", "鳩@例え.jp"});
}

TEST_CASE("sendmail refuses what it cannot send, with 100 and a sentence") {
  const RunningGate gate;
  for (const Words& words : {Words{}, Words{"-t"}, Words{"-bd"}, Words{"-k"},
                             Words{"-F", "a\nBcc: x@y.org", "a@b.org"}, Words{"a@b.org\nBcc:x@y.org"},
                             Words{"-f", "s\n@x.org", "a@b.org"}, Words{std::string(1100, 'a') + "@b.org"}}) {
    const Outcome outcome = start("sendmail", words, "Subject: x\n\n");
    CAPTURE(words, outcome.err);
    CHECK(outcome.code == 100);
    CHECK(outcome.err.starts_with("sendmail: "));
  }
  CHECK(gate.queued().empty());
}

TEST_CASE("without USER and the like an unknown uid is anonymous (qmail-inject(8))") {
  const RunningGate gate;
  CHECK(sent(gate, "sendmail", {"a@b.org"}, "\n", {}).envelope.sender == "anonymous@test.example");
  CHECK(sent(gate, "qmail-inject", {"a@b.org"}, "\n", {{"QMAILUSER", "q"}, {"USER", "u"}}).envelope.sender ==
        "q@test.example");
  CHECK(sent(gate, "qmail-inject", {"a@b.org"}, "\n",
             {{"LOGNAME", "l"}, {"QMAILSUSER", "s"}, {"MAILHOST", "h.org"}})
            .envelope.sender == "s@h.org");
}

TEST_CASE("the caller's address by his uid: users/assign, then control/cgisenders (qmail-queued(8))") {
  const std::string users = std::string(conf::home) + "/users/";
  const ScratchDirectory scratch;
  const auto assign = [&](const std::string& text) {
    const Fd fd = open_file(users + "assign", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(fd.get(), text + ".\n", "assign");
    REQUIRE(run({{installed("qmail-newu")}}).code == 0);
  };
  constexpr uid_t web = 54322;
  const auto sender = [&](const RunningGate& gate, uid_t uid, const Environment& environment,
                          Words words = {}) {
    gate.empty();
    words.insert(words.begin(), installed("sendmail"));
    words.push_back("a@b.org");
    Start how{words, environment};
    how.uid = how.gid = uid;
    const Outcome outcome = run(how, "\n");
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
    REQUIRE(gate.queued().size() == 1);
    return gate.queued()[0];
  };
  assign(
      "=info:abc:54321:54321:/home/abc:-:info:\n=abc:abc:54321:54321:/home/abc:::\n+abc-:abc:54321:54321:/"
      "home/abc:-::\n");
  {
    const RunningGate gate(
        {{"defaulthost", "pobox\n"},
         {"defaultdomain", "example.jp\n"},
         {"cgisenders", "54322 web@x.org\n/home/abc abc@y.org\nshop.example.jp shop@y.org\n"}});
    CHECK(sender(gate, customer, {}).envelope.sender == "abc@pobox.example.jp");
    CHECK(field(sender(gate, customer, {}).body, "From") == "abc@pobox.example.jp");
    CHECK(sender(gate, customer, {{"USER", "joe"}}).envelope.sender == "joe@pobox.example.jp");
    CHECK(sender(gate, customer, {{"SCRIPT_FILENAME", "/home/xyz/x.cgi"}}).envelope.sender ==
          "abc@pobox.example.jp");
    CHECK(sender(gate, web, {}).envelope.sender == "web@x.org");
    const Queued mail = sender(gate, web, {{"SCRIPT_FILENAME", "/home/abc/my form.cgi"}});
    CHECK(mail.envelope.sender == "abc@y.org");
    CHECK(field(mail.body, "From") == "abc@y.org");
    const OriginFields told = {{"script", "/home/abc/my form.cgi"}};
    CHECK(mail.envelope.origin == told);
    CHECK(mail.header.uid == web);
    // What the gate knows of the origin is not for the recipients.
    CHECK(mail.text.find("54322") == std::string::npos);
    CHECK(mail.text.find("form.cgi") == std::string::npos);
    CHECK(sender(gate, web, {{"SERVER_NAME", "Shop.example.jp"}}).envelope.sender == "shop@y.org");
    CHECK(sender(gate, web, {{"SERVER_NAME", "other.example.jp"}}).envelope.sender == "web@x.org");
    CHECK(sender(gate, web, {{"SCRIPT_FILENAME", "/home/abc/x"}}, {"-f", "f@x.org"}).envelope.sender ==
          "f@x.org");
    CHECK(sender(gate, web, {{"SCRIPT_FILENAME", "/home/abc/x\nFrom: z"}}).envelope.sender == "abc@y.org");
    CHECK(gate.log().find("nobody knows") == std::string::npos);
    // A uid that nothing knows, as in qmail; and the log says so.
    CHECK(sender(gate, 54323, {}, {"-f", "f@x.org"}).envelope.sender == "f@x.org");
    CHECK(gate.log().find("nobody knows") == std::string::npos);
    CHECK(sender(gate, 54323, {{"SERVER_NAME", "other.example.jp"}}).envelope.sender ==
          "anonymous@pobox.example.jp");
    CHECK(eventually([&] {
      return gate.log().find(": nobody knows this uid: the sender is anonymous@pobox.example.jp") !=
             std::string::npos;
    }));
  }
  {
    RunningGate gate({{"showorigin", "uid\nscript\n"}, {"cgisenders", "54322 web@x.org\n"}});
    const Queued mail = sender(gate, web, {{"SCRIPT_FILENAME", "/home/abc/my form.cgi"}});
    CHECK(mail.text.find(" invoked by uid 54322) id ") != std::string::npos);
    CHECK(field(mail.text, "X-Originating-Script") == "/home/abc/my?form.cgi");
    // A new users/cdb is read by itself.
    assign("=web:web:54322:54322:/srv/www:::\n");
    gate.configure("cgisenders", "");
    CHECK(sender(gate, web, {}).envelope.sender == "web@test.example");
    // A broken one stops nobody.
    const Fd fd = open_file(users + "cdb", O_WRONLY | O_TRUNC);
    gate.configure("cgisenders", "54322 web@x.org\n");
    CHECK(sender(gate, web, {}).envelope.sender == "web@x.org");
    CHECK(gate.log().find("users/cdb: damaged cdb") != std::string::npos);
    // A table that makes no sense keeps the old one.
    set_control("cgisenders", "54322\n");
    gate.process().signal(SIGHUP);
    CHECK(eventually([&] { return gate.log().find("has not two words") != std::string::npos; }));
    CHECK(sender(gate, web, {}).envelope.sender == "web@x.org");
  }
  unlink((users + "assign").c_str());
  unlink((users + "cdb").c_str());
}

TEST_CASE("sendmail -N, -R, -V, -B: what the sender asks for is in the queue (RFC 3461)") {
  const RunningGate gate;
  Queued mail = sent(gate, "sendmail",
                     {"-N", "failure,delay", "-R", "hdrs", "-V", "a b+c", "-B", "8BITMIME", "-fs@x.org",
                      "a b@c.org", "鳩@例え.jp"},
                     "\n");
  CHECK(mail.envelope.params == "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b+2Bc");
  REQUIRE(mail.envelope.recipients.size() == 3);
  CHECK(mail.envelope.recipients[0].address == "a@test.example");
  CHECK(mail.envelope.recipients[0].params == "NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@test.example");
  CHECK(mail.envelope.recipients[2].params ==
        "NOTIFY=FAILURE,DELAY ORCPT=utf-8;\\x{9CE9}@\\x{4F8B}\\x{3048}.jp");
  mail = sent(gate, "sendmail", {"-Nnever", "\"a b\"@c.org"}, "\n");
  CHECK(mail.recipients() == Words{"a b@c.org"});
  CHECK(mail.envelope.recipients[0].params == "NOTIFY=NEVER ORCPT=rfc822;\"a+20b\"@c.org");
  CHECK(mail.envelope.params.empty());
  mail = sent(gate, "sendmail", {"-t"}, "To: 鳩 <a@b.org>, x@例え.jp\nSubject: 鳩\n\n鳩\n");
  CHECK(mail.envelope.params.empty());  // nothing that could not go without
  CHECK(mail.envelope.recipients[1].params.empty());
  mail = sent(gate, "sendmail", {"-t"}, "To: 鳩@b.org\n\n");
  CHECK(mail.envelope.params == "SMTPUTF8");
  mail = sent(gate, "sendmail", {"a@b.org"}, "From: 鳩@x.org\n\n");
  CHECK(mail.envelope.params == "SMTPUTF8");
}

TEST_CASE("sendmail -bv says where mail would go and sends nothing") {
  const RunningGate gate({{"locals", "local.example\n"}, {"virtualdomains", "v.example:joe\n"}});
  const Outcome outcome =
      start("sendmail", {"-bv", "fred@local.example", "x@v.example,a@b.org", "fred@local.example"}, "");
  CHECK(outcome.code == 100);  // verify_test.cc has those who exist
  CHECK(outcome.out ==
        "fred@local.example... User unknown\n"
        "x@v.example... User unknown\n"
        "a@b.org... deliverable: mailer remote, host b.org, user a@b.org\n");
  CHECK(start("sendmail", {"-bv", "-t"}, "To: a@b.org\n\n").out ==
        "a@b.org... deliverable: mailer remote, host b.org, user a@b.org\n");
  CHECK(start("sendmail", {"-bv"}, "").code == 100);
  CHECK(gate.queued().empty());
}

TEST_CASE("what there is nothing to do for exits 0 in silence (sendmail(8))") {
  for (const Words& words : {Words{"-bi"}, Words{"-I"}, Words{"-q"}, Words{"-q30m"}, Words{"-qIexample"}}) {
    const Outcome outcome = start("sendmail", words, "");
    CAPTURE(words, outcome.err);
    CHECK(outcome.code == 0);
    CHECK((outcome.out + outcome.err).empty());
  }
  CHECK(start("newaliases", {}, "").code == 0);
}

TEST_CASE("no line end gets in by the environment") {
  const RunningGate gate;
  for (const char* name :
       {"QMAILNAME", "NAME", "QMAILUSER", "USER", "QMAILHOST", "MAILHOST", "QMAILSUSER", "QMAILSHOST"}) {
    const Outcome outcome = start("sendmail", {"a@b.org"}, "\n", {{name, "a\nBcc: x@y.org"}});
    CAPTURE(name, outcome.err);
    CHECK(outcome.code == 100);
  }
  CHECK(gate.queued().empty());
}

TEST_CASE("qmail-inject's options (qmail-inject(8))") {
  const RunningGate gate;
  const std::string input = "To: h@b.org\n\nx\n";
  CHECK(sent(gate, "qmail-inject", {}, input).recipients() == Words{"h@b.org"});
  CHECK(sent(gate, "qmail-inject", {"a@b.org"}, input).recipients() == Words{"a@b.org"});
  CHECK(sent(gate, "qmail-inject", {"-h", "a@b.org"}, input).recipients() == Words{"h@b.org"});
  CHECK(sent(gate, "qmail-inject", {"-H", "a@b.org"}, input).recipients() == Words{"a@b.org", "h@b.org"});
  CHECK(sent(gate, "qmail-inject", {"-fs@x.org"}, input).envelope.sender == "s@x.org");
  CHECK(sent(gate, "qmail-inject", {}, "Return-Path: <r@x.org>\n" + input).envelope.sender == "r@x.org");
  CHECK(sent(gate, "qmail-inject", {}, input, {{"QMAILINJECT", "r"}, {"USER", "joe"}}).envelope.sender ==
        "joe-@test.example-@[]");
  gate.empty();
  const Outcome shown = start("qmail-inject", {"-n"}, input);
  CHECK(shown.code == 0);
  CHECK(shown.out.starts_with("Return-Path: <joe@test.example>\nDate: "));
  CHECK(shown.out.ends_with("To: h@b.org\n\nx\n"));
  CHECK(start("qmail-inject", {"-a"}, input).code == 100);
  CHECK(start("qmail-inject", {"-z"}, input).code == 100);
  CHECK(gate.queued().empty());
}

TEST_CASE("$QMAILQUEUE runs in the gate's place (qmail-queue(8))") {
  {
    const FakeQueue queue(0);
    const Outcome outcome =
        start("sendmail", {"-fs@x.org", "a@b.org", "c@d.org"}, "Subject: x\n\nb\n", queue.environment());
    CHECK(outcome.code == 0);
    CHECK(slurp(queue.directory.file("envelope")) == "Fs@x.org\0Ta@b.org\0Tc@d.org\0\0"s);
    CHECK(slurp(queue.directory.file("message")).ends_with("Subject: x\n\nb\n"));
  }
  struct Row {
    int code;
    const char* text;
    int exit;
    const char* said;
  };
  for (const Row& row : {Row{31, "", 100, "permanently rejected"}, Row{53, "", 111, "disk full"},
                         Row{82, "Dno such thing", 100, "no such thing"}, Row{82, "Zlater", 111, "later"}}) {
    const FakeQueue queue(row.code, row.text);
    const Outcome outcome = start("sendmail", {"a@b.org"}, "\n", queue.environment());
    CAPTURE(row.code, row.text, outcome.err);
    CHECK(outcome.code == row.exit);
    CHECK(outcome.err.find(row.said) != std::string::npos);
  }
  CHECK(start("sendmail", {"a@b.org"}, "\n", {{"USER", "joe"}, {"QMAILQUEUE", "/nonexistent"}}).code == 111);
}

TEST_CASE("no gate is a temporary failure") {
  set_control("timeoutgate", "0\n");
  const Outcome outcome = start("sendmail", {"a@b.org"}, "\n");
  set_control("timeoutgate", "");
  CHECK(outcome.code == 111);
  CHECK(outcome.err.starts_with("sendmail: "));
}

#ifndef __SANITIZE_ADDRESS__  // with which no program is static
TEST_CASE("sendmail works in a chroot that holds the program and the gate's directory") {
  const RunningGate gate(Controls{{"cgisenders", "/home/abc abc@y.org\n"}});
  const ScratchDirectory jail;
  const std::string home = conf::home;
  std::string path = jail.path();
  for (std::size_t at = 1; at < home.size();) {  // every directory of home's path
    at = std::min(home.find('/', at), home.size());
    mkdir((jail.path() + home.substr(0, at)).c_str(), 0755);
    ++at;
  }
  const std::string inside = jail.path() + home;
  mkdir((inside + "/bin").c_str(), 0755);
  REQUIRE(run({{"/bin/cp", installed("sendmail"), inside + "/bin/sendmail"}}).code == 0);
  REQUIRE(run({{"/bin/mkdir", inside + "/gate"}}).code == 0);
  REQUIRE(run({{"/bin/mount", "--bind", home + "/gate", inside + "/gate"}}).code == 0);
  Start how{{"/usr/sbin/chroot", "--userspec=54321:54321", jail.path(), installed("sendmail"), "-t", "-i",
             "-N", "failure"},
            {{"SCRIPT_FILENAME", "/home/abc/form.cgi"}}};
  const Outcome outcome = run(how, "To: fred\n\n");
  const std::vector<std::string> held = names_in(jail.path());
  CHECK(run({{"/bin/umount", inside + "/gate"}}).code == 0);
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  REQUIRE(gate.queued().size() == 1);
  CHECK(gate.queued()[0].recipients() == Words{"fred@test.example"});
  CHECK(gate.queued()[0].envelope.sender == "abc@y.org");
  CHECK(held == Words{home.substr(1, home.find('/', 1) - 1)});  // home, and no etc, lib or dev
}
#endif

TEST_CASE("forward keeps the message whole (forward(1))") {
  const RunningGate gate;
  const std::string message = "Subject: x\n\nno end";
  const Queued mail = sent(gate, "forward", {"a@b.org", "c@d.org"}, message,
                           {{"NEWSENDER", "s@x.org"}, {"DTLINE", "Delivered-To: me@x.org\n"}});
  CHECK(mail.body == "Delivered-To: me@x.org\n" + message);
  CHECK(mail.envelope.sender == "s@x.org");
  CHECK(mail.recipients() == Words{"a@b.org", "c@d.org"});
  CHECK(mail.header.kind == Kind::forward);
  CHECK(start("forward", {"a@b.org"}, message, {{"NEWSENDER", "s@x.org"}}).code == 100);
  CHECK(start("forward", {"a@b.org"}, message, {{"DTLINE", "Delivered-To: me@x.org\n"}}).code == 100);
  CHECK(start("forward", {}, message).code == 100);
}

TEST_CASE("condredirect redirects when its program says so (condredirect(1))") {
  const RunningGate gate;
  const Environment environment = {{"SENDER", "s@x.org"}, {"DTLINE", "Delivered-To: me@x.org\n"}};
  const std::string message = "skip\nSubject: x\n\nbody\n";
  struct Row {
    const char* command;
    int code;
    std::size_t queued;
  };
  for (const Row& row : {Row{"grep -q body", 99, 1}, Row{"exit 1", 0, 0}, Row{"exit 111", 111, 0},
                         Row{"exit 99", 0, 0}, Row{"kill -9 $$", 111, 0}}) {
    CAPTURE(row.command);
    gate.empty();
    const Outcome outcome =
        start_on_file("condredirect", {"n@x.org", "/bin/sh", "-c", row.command}, message, 5, environment);
    CAPTURE(outcome.err);
    CHECK(outcome.code == row.code);
    REQUIRE(gate.queued().size() == row.queued);
    if (row.queued == 1) {
      CHECK(gate.queued()[0].body == "Delivered-To: me@x.org\nSubject: x\n\nbody\n");
      CHECK(gate.queued()[0].recipients() == Words{"n@x.org"});
      CHECK(gate.queued()[0].envelope.sender == "s@x.org");
    }
  }
  CHECK(start_on_file("condredirect", {"n@x.org", "/no/such"}, message, 0, environment).code == 0);
  CHECK(start_on_file("condredirect", {"n@x.org"}, message, 0, environment).code == 100);
  CHECK(start("condredirect", {"n@x.org", "true"}, message, environment).code ==
        111);  // a pipe cannot be rewound
}

TEST_CASE("qreceipt answers who asked for it (qreceipt(1))") {
  const RunningGate gate;
  const std::string request =
      "Notice-Requested-Upon-Delivery-To: x@y.org, Joe <joe@example.jp>\nMessage-ID: <1@2>\n\n";
  const Queued mail = sent(gate, "qreceipt", {"joe@EXAMPLE.jp"}, request, {{"SENDER", "s@x.org"}});
  CHECK(mail.envelope.sender.empty());
  CHECK(mail.recipients() == Words{"s@x.org"});
  CHECK(mail.body.find("<1@2>") != std::string::npos);
  gate.empty();
  CHECK(start("qreceipt", {"other@example.jp"}, request, {{"SENDER", "s@x.org"}}).code == 0);
  CHECK(start("qreceipt", {"joe@example.jp"}, "Subject: x\n\n", {{"SENDER", "s@x.org"}}).code == 0);
  CHECK(start("qreceipt", {"joe@example.jp"}, request, {{"SENDER", ""}}).code == 0);
  CHECK(start("qreceipt", {"joe@example.jp"}, request, {{"SENDER", "#@[]"}}).code == 0);
  CHECK(start("qreceipt", {"joe@example.jp"}, request, {}).code == 100);
  CHECK(gate.queued().empty());
}

TEST_CASE("predate, datemail and mailsubj") {
  const Environment tokyo = {{"TZ", "JST-9"}, {"USER", "joe"}};
  const Outcome dated = start("predate", {"/bin/cat"}, "Subject: x\n\nb\n", tokyo);
  CHECK(dated.code == 0);
  CHECK(field(dated.out, "Date").ends_with(" +0900"));
  CHECK(dated.out.ends_with("\nSubject: x\n\nb\n"));
  CHECK(start("predate", {"/bin/sh", "-c", "exit 7"}, "x", tokyo).code == 7);
  CHECK(start("predate", {"/no/such"}, "x", tokyo).code == 111);
  CHECK(start("predate", {}, "x", tokyo).code == 100);

  const RunningGate gate;
  CHECK(field(sent(gate, "datemail", {"-t"}, "To: a@b.org\n\n", tokyo).body, "Date").ends_with(" +0900"));

  const Queued mail = sent(gate, "mailsubj", {"hello there", "a@b.org", "Fred <f@b.org>"}, "To: body\n");
  CHECK(mail.recipients() == Words{"a@b.org", "f@b.org"});
  CHECK(field(mail.body, "Subject") == "hello there");
  CHECK(mail.body.ends_with("\n\nTo: body\n"));
  CHECK(start("mailsubj", {"a\nBcc: x@y.org", "a@b.org"}, "\n").code == 100);
  CHECK(start("mailsubj", {"x"}, "\n").code == 100);
}

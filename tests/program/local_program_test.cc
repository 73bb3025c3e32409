// Programs that qmail-local runs for a .qmail file: qmail-command(8).
#include <signal.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/local_home.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("qmail-command(8): environment") {
  const LocalHome home;
  home.file(".qmail-a-default", "|env >env.out\n");
  CHECK(home.deliver({.local = "joe-a-b-c-d",
                      .dash = "-",
                      .ext = "a-b-c-d",
                      .sender = "a b@x.example",
                      .env = {{"DEFAULT", "stale"}, {"KEPT", "yes"}}})
            .code == 0);
  const std::string env = "\n" + home.read("env.out");
  for (const std::string& line :
       {std::string("USER=joe"), "HOME=" + home.path, std::string("SENDER=a b@x.example"),
        std::string("NEWSENDER=a b@x.example"), std::string("RECIPIENT=joe-a-b-c-d@www.at.example"),
        std::string("LOCAL=joe-a-b-c-d"), std::string("HOST=www.at.example"), std::string("HOST2=www.at"),
        std::string("HOST3=www"), std::string("HOST4=www"), std::string("EXT=a-b-c-d"),
        std::string("EXT2=b-c-d"), std::string("EXT3=c-d"), std::string("EXT4=d"),
        std::string("DEFAULT=b-c-d"), std::string("KEPT=yes"),
        std::string("DTLINE=Delivered-To: joe-a-b-c-d@www.at.example\n"),
        std::string("RPLINE=Return-Path: <\"a b\"@x.example>\n"),
        std::string("UFLINE=From a-b@x.example ")}) {
    INFO(line << " in " << env);
    CHECK(env.find("\n" + line + (line.ends_with(' ') ? "" : "\n")) != std::string::npos);
  }
}

TEST_CASE("qmail-command(8): the message, to each program from its start, read-only, alone") {
  const LocalHome home;
  home.file(".qmail",
            "|cat >one\n|cat >two\n|read line; cat >rest\n|echo x >&0; test $? != 0 && echo refused\n"
            "|ls /proc/self/fd >fds\n|grep Sig[IB] /proc/self/status >signals\n|umask >umask\n|pwd >pwd\n");
  std::string message = small_message;
  SECTION("in memory") {}
  SECTION("in a file") {
    message += std::string(3 << 20, 'm');
  }
  const Outcome outcome = home.deliver({.message = message});
  CHECK(outcome.code == 0);
  CHECK(outcome.out == "refused\ndid 0+0+8\n");
  CHECK(home.read("one") == message);
  CHECK(home.read("two") == message);
  CHECK(home.read("rest") == message.substr(message.find('\n') + 1));
  CHECK(home.read("fds") == "0\n1\n2\n3\n");  // 3 is the directory that ls reads
  CHECK(home.read("signals") == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  CHECK(home.read("umask") == "0077\n");
  CHECK(home.read("pwd") == home.path + "\n");
}

TEST_CASE("qmail-local: what programs say is kept up to 64 KiB") {
  const LocalHome home;
  home.file(".qmail", "|head -c 50000 /dev/zero | tr '\\0' x\n|head -c 500000 /dev/zero | tr '\\0' y\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 0);
  CHECK(outcome.out == std::string(50000, 'x') + std::string(65536 - 50000, 'y') + "did 0+0+2\n");
}

TEST_CASE("qmail-local: control/progtime ends a program and all it started") {
  const ControlFiles limit(Controls{{"progtime", "1\n"}}, {});
  const LocalHome home;
  home.file(".qmail", "|sleep 300 & echo $! >background; echo $$ >shell; sleep 300; sleep 300\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 111);
  CHECK(outcome.err == "A program ran longer than 1 seconds and was ended. (#4.3.0)\n");
  for (const char* who : {"background", "shell"}) {
    const pid_t pid = atoi(home.read(who).c_str());
    REQUIRE(pid > 1);
    CHECK(eventually([pid] {
      const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
      return stat.empty() || stat.find(") Z ") != std::string::npos;
    }));
  }
}

TEST_CASE("qmail-local: control/progmem limits a program's memory") {
  const LocalHome home;
  home.file(".qmail", "|dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null\n");
  CHECK(home.deliver().code == 0);
  const ControlFiles limit(Controls{{"progmem", "100000000\n"}}, {});
  CHECK(home.deliver().code == 111);
}

TEST_CASE("qmail-local: a program in the background holds nothing up") {
  const LocalHome home;
  home.file(".qmail", "|(sleep 30; echo late) & echo $! >pid; echo now\n");
  const Deadline soon = Deadline::in_seconds(10);
  CHECK(home.deliver().out == "now\ndid 0+0+1\n");
  CHECK_FALSE(soon.passed());
  kill(atoi(home.read("pid").c_str()), SIGKILL);
}

TEST_CASE("qmail-local: a program cannot reach the queue's descriptor") {
  const LocalHome home;
  home.file(".qmail",
            "|cat /proc/$PPID/fd/0 >stolen 2>/dev/null; cat /proc/$PPID/environ >environ 2>/dev/null\n");
  home.deliver();
  CHECK(home.read("stolen").empty());
  CHECK(home.read("environ").empty());
}

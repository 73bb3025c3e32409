// qmail-lspawn as an executable, with shell scripts in the places of qmail-local and qmail-getpw.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "tests/catch.h"
#include "tests/program/spawner.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

TEST_CASE("qmail-lspawn runs qmail-local as the user, with qmail's arguments", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  Scratch scratch;
  write_users(home, {"+joe-:joe:61501:61600:/home/joe:-:pre-:"});
  home.script("qmail-local",
              "for a in \"$@\"; do echo \"[$a]\"; done; id -u; id -g; id -G; cat\n"
              "echo error >&2; echo $QMAILTRACE $QMAILMSGPARAMS $QMAILRCPTPARAMS; pwd; ulimit -Sn\n"
              "ls -l /proc/self/fd | sed -n 's/.*[0-9] \\([0-9]*\\) -> \\([a-z]*\\):.*/\\1 \\2/p'\n");
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlim_t soft = std::min<rlim_t>(files.rlim_max, 200);
  Spawner spawner(lspawn(home), [&] {
    rlimit low = files;
    low.rlim_cur = soft;
    setrlimit(RLIMIT_NOFILE, &low);
  });
  spawner.request({7, "s@example.org", "Joe-A@B@example.net", "0123456789abc", "SMTPUTF8", "NOTIFY=NEVER"},
                  "the message\n");
  const DeliveryReport report = spawner.report();
  CHECK(report.delivery == 7);
  CHECK(report.status == 'K');
  CHECK(report.text ==
        "[--]\n[joe]\n[/home/joe]\n[Joe-A@B]\n[-]\n[pre-A@B]\n[example.net]\n[s@example.org]\n[./Maildir/]\n"
        "61501\n61600\n61600\nthe message\nerror\n0123456789abc SMTPUTF8 NOTIFY=NEVER\n" +
            std::string(conf::home) + "\n" + std::to_string(soft) + "\n1 pipe\n2 pipe\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn's answers", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::", "=root:root:0:0:/root:::"});
  home.script("qmail-local", "echo said; [ $6 = crash ] && kill -9 $$; exit $6\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("0@h") == "Ksaid\n");
  CHECK(spawner.deliver("111@h") == "Zsaid\n");
  CHECK(spawner.deliver("100@h") == "Dsaid\n");
  CHECK(spawner.deliver("crash@h") == "Zqmail-local crashed.\n");
  CHECK(spawner.deliver("root@h") == "ZNot allowed to perform deliveries as root.\n");
  CHECK(spawner.deliver("nohost") == "DSorry, address must include host name. (#5.1.3)\n");
  CHECK(spawner.deliver("@h") == "K");
  spawner.request_raw(encode_request({9, "s", "0@h", "t", "", ""}), false);
  CHECK(spawner.report() == DeliveryReport{9, 'Z', "Sorry, message has wrong type. (#4.3.5)\n"});
  spawner.request_raw("\0\0\0\x0bsender\0"s, true);
  CHECK(spawner.report() ==
        DeliveryReport{11, 'Z', "Internal error: unintelligible delivery request. (#4.3.5)\n"});
  unlink(home.path("bin/qmail-local").c_str());
  CHECK(spawner.deliver("0@h") == "ZUnable to run qmail-local. (#4.3.0)\n");
  home.script("qmail-local", "echo back\n");
  CHECK(spawner.deliver("0@h") == "Kback\n");
  home.write("users/cdb", "rubbish");
  CHECK(spawner.deliver("0@h") == "ZTrouble reading users/cdb in qmail-lspawn.\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn asks qmail-getpw, as qmailp and under limits", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn", "qmail-getpw"};
  Scratch scratch;
  const std::string joe = scratch.directory("joe", 61501);
  home.add_accounts("hatojoe:x:61501:61502::" + joe + ":/bin/sh\n");
  home.script("qmail-local", "echo \"$2 $3 $5$6\"; id -u\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("hatojoe-x@h") == "Khatojoe " + joe + " -x\n61501\n");
  const User alias = *passwd_user(conf::user_alias);
  CHECK(spawner.deliver("hatonobody@h") ==
        "K" + alias.name + " " + home.path("alias") + " -hatonobody\n" + std::to_string(alias.uid) + "\n");
  // users/cdb comes first
  write_users(home, {"=hatojoe-x:other:61503:61503:/o:::"});
  CHECK(spawner.deliver("hatojoe-x@h") == "Kother /o \n61503\n");
  CHECK(spawner.deliver("hatojoe-y@h") == "Khatojoe " + joe + " -y\n61501\n");

  home.script("qmail-getpw",
              "printf \"u\\0006150\\0006150\\000/\\000$(id -u) $(ulimit -t) $(ls /proc/self/fd | tr '\\n' ,) "
              "$(readlink "
              "/proc/self/fd/0)\\000$1\\000\"\n");
  const User qmailp = *passwd_user(conf::user_qmailp);
  CHECK(spawner.deliver("a-b@h") ==
        "Ku / " + std::to_string(qmailp.uid) + " 10 0,1,2,3, /dev/nulla-b\n6150\n");
  home.script("qmail-getpw", "exit 116\n");
  CHECK(spawner.deliver("a@h") == "ZUnable to find alias user!\n");
  home.script("qmail-getpw", "echo; exit 0\n");
  CHECK(spawner.deliver("a@h") == "Zqmail-getpw's answer is unintelligible. (#4.3.0)\n");
  home.script("qmail-getpw", "printf 'root\\0000\\0000\\000/\\000\\000\\000'\n");
  CHECK(spawner.deliver("a@h") == "ZNot allowed to perform deliveries as root.\n");
  unlink(home.path("bin/qmail-getpw").c_str());
  CHECK(spawner.deliver("a@h") == "ZUnable to run qmail-getpw. (#4.3.0)\n");
}

TEST_CASE("qmail-lspawn keeps at most 64 KiB of what a delivery says and does not block it",
          "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "head -c 500000 /dev/zero | tr '\\0' x; exit 100\n");
  Spawner spawner(lspawn(home));
  const std::string report = spawner.deliver("u@h");
  CHECK(report.size() == 1 + delivery_text_limit);
  CHECK(report.substr(0, 4) == "Dxxx");
}

TEST_CASE("qmail-lspawn keeps reports that are not read yet, and goes on", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "head -c 60000 /dev/zero | tr '\\0' x\n");
  Spawner spawner(lspawn(home));
  // Far more than the socket holds.
  for (std::uint32_t i = 0; i < 30; ++i) spawner.request({i, "s", "u@h", "t", "", ""});
  usleep(1500000);
  std::map<std::uint32_t, std::size_t> sizes;
  for (int i = 0; i < 30; ++i) {
    const DeliveryReport report = spawner.report();
    sizes[report.delivery] = report.text.size();
  }
  CHECK(sizes.size() == 30);
  for (const auto& [number, size] : sizes) CHECK(size == 60000);
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn does not wait for what a delivery left behind", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  Scratch scratch;
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "sleep 20 & echo $! > " + scratch.directory("pid", 61501) + "/pid; echo done\n");
  Spawner spawner(lspawn(home));
  const std::int64_t before = now_seconds();
  CHECK(spawner.deliver("u@h") == "Kdone\n");
  CHECK(now_seconds() - before < 15);
  CHECK(spawner.close() == 0);
  kill(std::stoi(*read_file(scratch.path() + "/pid/pid", 100)), SIGKILL);
}

TEST_CASE("qmail-lspawn ends a delivery that its user stops, which would keep its place for ever",
          "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "kill -STOP $$; echo never\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("u@h") == "Zqmail-local crashed.\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn ends a delivery that does not end", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.write("control/timeoutlocal", "1\n");
  home.script("qmail-local", "[ $6 = quick ] || exec sleep 30; echo done\n");
  Spawner spawner(lspawn(home));
  spawner.request({1, "s", "slow@h", "t", "", ""});
  spawner.request({2, "s", "quick@h", "t", "", ""});
  CHECK(spawner.report() == DeliveryReport{2, 'K', "done\n"});
  CHECK(spawner.report() ==
        DeliveryReport{1, 'Z', "qmail-local was killed: it had not ended after 1 seconds. (#4.3.0)\n"});
  CHECK(spawner.deliver("quick@h") == "Kdone\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn runs hundreds at once, and as many as its descriptors allow", "[qmail-lspawn]") {
  const rlim_t files = GENERATE(rlim_t{40}, rlim_t{100000});
  const int count = files == 40 ? 12 : 300;
  CAPTURE(files);
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", files == 40 ? "sleep 0.05; echo $6\n" : "read line; sleep 1; echo $6\n");
  Spawner spawner(lspawn(home), [&] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max = std::min(files, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  });
  for (int i = 0; i < count; ++i)
    spawner.request({static_cast<std::uint32_t>(i), "s", std::to_string(i) + "@h", "t", "", ""});
  std::map<std::uint32_t, std::string> reports;
  for (int i = 0; i < count; ++i) {
    const DeliveryReport report = spawner.report();
    reports[report.delivery] = report.status + report.text;
  }
  REQUIRE(reports.size() == static_cast<std::size_t>(count));
  for (const auto& [number, report] : reports) CHECK(report == "K" + std::to_string(number) + "\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("a request whose message cannot be taken for want of descriptors is answered", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "cat >/dev/null; echo said\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("a@h") == "Ksaid\n");
  const std::string fds = "/proc/" + std::to_string(spawner.pid()) + "/fd/";
  rlim_t free = 0;
  while (access((fds + std::to_string(free)).c_str(), F_OK) == 0) ++free;
  rlimit before{};
  REQUIRE(prlimit(spawner.pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
  const rlimit none{free, before.rlim_max};
  REQUIRE(prlimit(spawner.pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
  CHECK(spawner.deliver("b@h") == "ZUnable to take the message: Too many open files. (#4.3.0)\n");
  REQUIRE(prlimit(spawner.pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
  CHECK(spawner.deliver("c@h") == "Ksaid\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn ends after its last delivery when qmail-send has gone", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  Scratch scratch;
  const std::string place = scratch.directory("u", 61501);
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "sleep 0.5; echo done > " + place + "/done\n");
  Spawner spawner(lspawn(home));
  spawner.request({1, "s", "u@h", "t", "", ""});
  CHECK(spawner.close() == 0);
  CHECK(access((place + "/done").c_str(), F_OK) == 0);
}

TEST_CASE("qmail-lspawn wants root and its argument", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  CHECK(run({home.path("bin/qmail-lspawn")}).code == 100);
  const Result result = run_as(61501, 61501, {home.path("bin/qmail-lspawn"), "./Mailbox"});
  CHECK(result.code == 111);
  CHECK(result.err == "qmail-lspawn: must be started as root, to deliver as each user\n");
  const Result by_hand = run({home.path("bin/qmail-lspawn"), "./Mailbox"});
  CHECK(by_hand.code == 111);
  CHECK(by_hand.err == "qmail-lspawn: descriptor 0 is no socket: qmail-start starts the spawners\n");
}

TEST_CASE("qmail-lspawn delivers to accounts, and tells qmail-local which", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  home.write("control/locals", "pobox.example\n");
  home.write("control/subdomains", "pobox.example\n");
  home.script("qmail-local",
              "echo \"$2 $3 $4 $5 $6 $7 $9\" \"$(id -u):$(id -g)\"; echo \"$QMAILACCOUNT\" | tr '\\n' ' '\n");
  home.script("qmail-getpw",
              "case $1 in sys|sys-*) printf 'sys\\00061509\\00061509\\000/sys\\000\\000\\000';;\n"
              "*) printf 'alias\\00061510\\00061510\\000/a\\000-\\000%s\\000' \"$1\";; esac\n");
  const auto write_accounts = [&](const std::vector<std::string>& logins) {
    CdbWriter cdb(home.path("users/accounts.cdb"));
    uid_t uid = 61500;
    for (const std::string& login : logins) {
      Account account;
      account.login = login;
      account.uid = ++uid;
      account.gid = 61600;
      account.home = "/h/" + login;
      account.mailbox = "./Box/";
      cdb.add("a" + login, encode_account(account));
    }
    cdb.add("dcustomer.example", "abc");
    cdb.add("Dlogins.example", "");
    cdb.add("", encode_generation(1));
    cdb.commit();
  };
  const std::string record = " gid=61600 home=/h/abc mailbox=./Box/  ";
  const std::string not_here = "DSorry, no mailbox here by that name. (#5.1.1)\n";
  Spawner spawner(lspawn(home), [] { setenv("QMAILACCOUNT", "login=evil\nany=1\n", 1); });
  CHECK(spawner.deliver("sys@pobox.example") == "Ksys /sys sys   pobox.example ./Maildir/ 61509:61509\n ");
  write_accounts({"abc", "abc-info", "info@logins.example"});
  CHECK(spawner.deliver("abc@pobox.example") ==
        "Kabc /h/abc abc   pobox.example ./Box/ 61501:61600\nlogin=abc uid=61501" + record);
  CHECK(spawner.deliver("abc-info@pobox.example").starts_with("Kabc-info "));
  CHECK(spawner.deliver("abc-info@abc.pobox.example") ==
        "Kabc /h/abc abc-info - info abc.pobox.example ./Box/ 61501:61600\nlogin=abc any=1 uid=61501" +
            record);
  CHECK(spawner.deliver("abc-Any@customer.example") ==
        "Kabc /h/abc abc-Any - Any customer.example ./Box/ 61501:61600\nlogin=abc any=1 uid=61501" + record);
  CHECK(spawner.deliver("info@logins.example")
            .starts_with("Kinfo@logins.example /h/info@logins.example info "));
  CHECK(spawner.deliver("sys@logins.example") == not_here);
  CHECK(spawner.deliver("nosuch-x@nosuch.pobox.example") == not_here);
  CHECK(spawner.deliver("sys-x@sys.pobox.example") ==
        "Ksys /sys sys-x - x sys.pobox.example ./Maildir/ 61509:61509\n"
        "login=sys any=1 uid=61509 gid=61509 home=/sys mailbox=./Maildir/  ");
  write_accounts({"nosuch"});  // counts at once
  CHECK(spawner.deliver("nosuch-x@nosuch.pobox.example").starts_with("Knosuch /h/nosuch nosuch-x - x "));
  home.write("users/accounts.cdb", "rubbish");
  CHECK(spawner.deliver("abc@pobox.example") == "ZTrouble reading users/cdb in qmail-lspawn.\n");
  CHECK(spawner.close() == 0);
}

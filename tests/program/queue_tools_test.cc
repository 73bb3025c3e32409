// qmail-qstat, qmail-qread, qmail-qcheck and qmail-qmove as executables, on queues made here.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/store/queuefile.h"
#include "lib/store/retry_slots.h"
#include "lib/store/statefile.h"
#include "qmail-send/spool_file.h"
#include "tests/program/private_home.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;

namespace {

constexpr std::uint64_t birth = 812319086000000;  // 28 Sep 1995 20:11:26 GMT

struct Users {
  User qmailq = *passwd_user(conf::user_qmailq), qmails = *passwd_user(conf::user_qmails);
  gid_t qmail = *group_id(conf::group_qmail);
};

void make_queue(const std::string& queue, unsigned split) {
  const Users users;
  mkdir(queue.c_str(), 0750);
  for (const char* below : {"", "/new", "/mess", "/state", "/bad", "/lock"}) {
    mkdir((queue + below).c_str(), 0750);
    REQUIRE(chown((queue + below).c_str(), users.qmailq.uid, users.qmail) == 0);
  }
  for (unsigned i = 0; i < split; ++i)
    for (const char* below : {"/mess/", "/state/"}) {
      const std::string path = queue + below + std::to_string(i);
      REQUIRE(mkdir(path.c_str(), 0750) == 0);
      REQUIRE(chown(path.c_str(), users.qmailq.uid, users.qmail) == 0);
    }
  Fd lock = open_file(queue + "/lock/sendmutex", O_WRONLY | O_CREAT, 0600);
}

struct Made {
  QueueHeader header;
  std::string path;
};

// A message of a queue, as the gate's worker writes it.
Made put_message(const QueuePaths& paths, QueueId id, bool fresh, const QueuedEnvelope& envelope,
                 const std::string& text, char key) {
  const Users users;
  const std::string path = fresh ? paths.fresh(id) : paths.mess(id);
  const Fd directory = open_file(path.substr(0, path.rfind('/')), O_RDONLY | O_DIRECTORY);
  SpoolFile file(directory.get());
  file.append(text);
  file.prepend("Received: x\n");
  QueueHeader header;
  header.birth_us = id.value();
  header.key.fill(key);
  header.trace = "0123456789abc";
  header.kind = Kind::mx;
  header.uid = 5;
  file.finish(header, envelope);
  REQUIRE(file.link(id));
  REQUIRE(chown(path.c_str(), users.qmailq.uid, users.qmail) == 0);
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  OpenedMessage message;
  std::string why;
  REQUIRE(open_message(path, message, why) == OpenResult::ok);
  return {message.header, path};
}

QueuedEnvelope envelope(const std::string& sender, const std::vector<std::string>& recipients) {
  QueuedEnvelope made;
  made.sender = sender;
  for (const std::string& recipient : recipients) made.recipients.push_back({recipient, ""});
  return made;
}

void put_state(const QueuePaths& paths, QueueId id, const Made& made,
               const std::vector<StateRecord>& records) {
  const Users users;
  StateFile state(paths.state(id), made.header.key);
  for (const StateRecord& record : records) state.append(record);
  REQUIRE(chown(paths.state(id).c_str(), users.qmails.uid, users.qmail) == 0);
}

// Changes one byte of a file.
void damage(const std::string& path, off_t at) {
  const Fd fd = open_file(path, O_RDWR);
  char byte = pread_some(fd.get(), 1, at, path).at(0);
  byte = static_cast<char>(byte ^ 0x20);
  pwrite_all(fd.get(), std::string_view(&byte, 1), at, path);
}

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace

TEST_CASE("qmail-qstat and qmail-qread show the queue", "[qmail-qread]") {
  PrivateHome home{"qmail-qread", "qmail-qstat"};
  const std::string queue = home.path("queue");
  make_queue(queue, 3);
  home.write("control/me", "here.example\n");
  home.write("control/virtualdomains", "virtual.example:joe\n");
  const QueuePaths paths(queue, 3);
  const QueueId first(birth), second(birth + 1), third(birth + 2);
  put_message(paths, second, true, envelope("", {"a@there.example"}), "x\n", 'b');
  const Made one =
      put_message(paths, first, false,
                  envelope("send\xc3\xa9r@x", {"me@here.example", "v@virtual.example", "gone@there.example"}),
                  "Subject: 1\n\nbody\n", 'a');
  put_state(paths, first, one, {{StateType::done, 0, ""}, {StateType::failed, 2, "Sorry, \"no\".\n"}});
  Made broken = put_message(paths, third, false, envelope("s", {"r@h"}), "x\n", 'c');
  damage(broken.path, 260);

  CHECK(run({home.path("bin/qmail-qstat")}).out ==
        "messages in queue: 3\nmessages in queue but not yet preprocessed: 1\n");
  CHECK(run({home.path("bin/qmail-qstat"), "--json"}).out ==
        "{\"messages\":3,\"new\":1,\"deferred\":2,\"held\":0,\"bad\":0}\n");

  // qmail-qread(8)'s form; the address that is delivered to, as in qmail
  const Result plain = run({home.path("bin/qmail-qread")});
  CHECK(plain.err == "");
  CHECK(plain.code == 0);
  const std::string size = std::to_string(std::string("Received: x\nSubject: 1\n\nbody\n").size());
  CHECK(plain.out.substr(0, plain.out.rfind("warning")) ==
        "28 Sep 1995 20:11:26 GMT  #" + first.text() + "  " + size +
            "  <send__r@x>  bouncing\n  done\tlocal\tme@here.example\n\tlocal\tjoe-v@virtual.example\n"
            "  done\tremote\tgone@there.example\n28 Sep 1995 20:11:26 GMT  #" +
            second.text() + "  14  <> \n\tremote\ta@there.example\n");
  CHECK(plain.out.find("warning: trouble with #" + third.text() + ": ") != std::string::npos);

  const Result json = run({home.path("bin/qmail-qread"), "--json"});
  CHECK(json.code == 0);
  const std::string next = std::to_string(first_slot_after(birth_of(first), Channel::local, now_seconds()));
  CHECK(json.out.substr(0, json.out.find('\n') + 1) ==
        "{\"id\":\"" + first.text() + "\",\"birth\":812319086,\"bytes\":" + size +
            ",\"state\":\"deferred\",\"held\":false,\"kind\":\"mx\",\"trace\":\"0123456789abc\",\"uid\":5,"
            "\"sender\":"
            "\"send\xc3\xa9r@x\","
            "\"bouncing\":true,\"recipients\":[{\"address\":\"me@here.example\",\"channel\":\"local\","
            "\"state\":"
            "\"delivered\"},{\"address\":\"v@virtual.example\",\"channel\":\"local\",\"state\":\"pending\","
            "\"next\":" +
            next +
            "},{"
            "\"address\":"
            "\"gone@there.example\",\"channel\":\"remote\",\"state\":\"failed\",\"text\":\"Sorry, "
            "\\\"no\\\".\\u000a\"}]}\n");

  // who may look
  CHECK(run_as(61501, *group_id(conf::group_qmail), {home.path("bin/qmail-qread")}).code == 0);
  const Result stranger = run_as(61501, 61501, {home.path("bin/qmail-qstat")});
  CHECK(stranger.code == 111);
  CHECK(stranger.err == "qmail-qstat: cannot read " + queue +
                            "/new: run this as root or as a member of group " + conf::group_qmail + "\n");
  CHECK(run({home.path("bin/qmail-qread"), "x"}).code == 100);
}

TEST_CASE("qmail-qcheck finds every kind of damage and repairs when asked", "[qmail-qcheck]") {
  PrivateHome home{"qmail-qcheck"};
  const std::string queue = home.path("queue"), program = home.path("bin/qmail-qcheck");
  make_queue(queue, 3);
  const QueuePaths paths(queue, 3);
  std::vector<Made> made;
  for (std::uint64_t i = 0; i < 9; ++i)
    made.push_back(put_message(paths, QueueId(birth + i), i % 2 == 0, envelope("s@x", {"r@y"}),
                               "Subject: x\n\nbody\n", static_cast<char>('a' + i)));
  put_state(paths, QueueId(birth), made[0], {{StateType::done, 0, ""}});
  const Result sound = run({program});
  CHECK(sound.out == "9 messages checked, 0 wrong, 0 in bad\n");
  CHECK(sound.code == 0);

  damage(made[1].path, 20);                                                  // header
  damage(made[2].path, 260);                                                 // envelope
  damage(made[3].path, static_cast<off_t>(queue_format::message_area) - 3);  // what we put in front
  damage(made[4].path, static_cast<off_t>(queue_format::message_area) + 3);  // the message
  REQUIRE(truncate(made[5].path.c_str(), static_cast<off_t>(made[5].header.message_end) - 1) == 0);
  const std::string wrong =
      queue + "/mess/" + std::to_string((birth + 8) % 3) + "/" + std::to_string(birth + 7);
  REQUIRE(rename(made[7].path.c_str(), wrong.c_str()) == 0);
  REQUIRE(chmod(made[8].path.c_str(), 0666) == 0);
  REQUIRE(chown(made[6].path.c_str(), 61501, 61501) == 0);
  put_state(paths, QueueId(birth + 100), made[0], {{StateType::done, 0, ""}});  // its message is gone
  put_state(paths, QueueId(birth + 8), made[0], {{StateType::done, 0, ""}});    // another message's
  mkdir((queue + "/hold").c_str(), 0750);
  close(open(paths.hold(QueueId(birth + 8)).c_str(), O_WRONLY | O_CREAT, 0640));
  close(open(paths.hold(QueueId(birth + 100)).c_str(), O_WRONLY | O_CREAT, 0640));  // its message is gone
  home.write("queue/new/stray", "x");

  const Result told = run({program});
  CHECK(told.code == 1);
  CHECK(told.err == "");
  CHECK(told.out.find("9 messages checked, 12 wrong, 0 in bad\n") != std::string::npos);
  for (const int i : {1, 2, 3, 4, 5})
    CHECK(told.out.find("would move it to " + paths.bad(QueueId(birth + static_cast<unsigned>(i)))) !=
          std::string::npos);
  CHECK(told.out.find(wrong + ": in the wrong subdirectory; would move it to " + made[7].path) !=
        std::string::npos);
  for (const int i : {1, 2, 3, 4, 5}) CHECK(exists(made[static_cast<std::size_t>(i)].path));
  CHECK(exists(wrong));

  const Result repaired = run({program, "--repair"});
  CHECK(repaired.code == 1);  // the stray file is left alone
  for (const unsigned i : {1u, 2u, 3u, 4u, 5u}) CHECK(exists(paths.bad(QueueId(birth + i))));
  CHECK(exists(made[7].path));
  CHECK_FALSE(exists(paths.state(QueueId(birth + 100))));
  CHECK_FALSE(exists(paths.state(QueueId(birth + 8))));
  CHECK(exists(paths.state(QueueId(birth))));
  CHECK(exists(paths.hold(QueueId(birth + 8))));
  CHECK_FALSE(exists(paths.hold(QueueId(birth + 100))));
  unlink(home.path("queue/new/stray").c_str());
  const Result after = run({program});
  CHECK(after.out == "4 messages checked, 0 wrong, 5 in bad\n");
  CHECK(after.code == 0);
  CHECK(run_as(61501, 61501, {program, "--repair"}).err ==
        "qmail-qcheck: --repair moves other users' files: run this as root\n");
  CHECK(run({program, "--other"}).code == 100);
}

TEST_CASE("qmail-qmove copies a queue sparsely, merges, and deletes when asked", "[qmail-qmove]") {
  PrivateHome home{"qmail-qmove", "qmail-qcheck"};
  Scratch scratch;
  const std::string program = home.path("bin/qmail-qmove"), source = scratch.path() + "/source",
                    target = scratch.path() + "/target";
  make_queue(source, 3);
  const QueuePaths from(source, 3), to(target, conf::split);
  const QueueId a(birth), b(birth + 1), damaged(birth + 2);
  const Made first = put_message(from, a, true, envelope("s@x", {"r@y"}), "one\n", 'a');
  const Made second = put_message(from, b, false, envelope("s@x", {"r@y", "q@y"}), "two\n", 'b');
  put_state(from, b, second, {{StateType::done, 1, ""}});
  damage(put_message(from, damaged, false, envelope("s@x", {"r@y"}), "three\n", 'c').path,
         static_cast<off_t>(queue_format::message_area) + 1);

  mkdir((source + "/hold").c_str(), 0750);
  close(open(from.hold(b).c_str(), O_WRONLY | O_CREAT, 0640));
  const Result copied = run({program, source, target});
  CAPTURE(copied.err);
  CHECK(copied.code == 1);
  CHECK(copied.err.find(std::to_string(birth + 2)) != std::string::npos);
  CHECK(copied.out == "2 messages copied, 0 under another number, 0 were there already, 1 left behind\n");
  CHECK(run({home.path("bin/qmail-qcheck"), target}).out == "2 messages checked, 0 wrong, 0 in bad\n");
  CHECK(exists(to.hold(b)));
  CHECK_FALSE(exists(to.hold(a)));
  struct stat status {};
  REQUIRE(stat(to.fresh(a).c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 < 1 << 20);
  CHECK(status.st_size > 256 << 20);
  StateFile state(to.state(b), second.header.key);
  CHECK(state.load() == std::vector<StateRecord>{{StateType::done, 1, ""}});

  // again: nothing twice
  CHECK(run({program, source, target}).out ==
        "0 messages copied, 0 under another number, 2 were there already, 1 left behind\n");

  // merged with one that gave out the same numbers
  const std::string other = scratch.path() + "/other";
  make_queue(other, 5);
  const QueuePaths others(other, 5);
  const Made third = put_message(others, b, false, envelope("t@x", {"r@y"}), "other two\n", 'd');
  put_state(others, b, third, {{StateType::failed, 0, "no"}});
  CHECK(run({program, "--delete", other, target}).out ==
        "1 messages moved, 1 under another number, 0 were there already, 0 left behind\n");
  CHECK_FALSE(exists(third.path));
  CHECK_FALSE(exists(others.state(b)));
  OpenedMessage message;
  std::string why;
  REQUIRE(open_message(to.mess(QueueId(birth + 2)), message, why) == OpenResult::ok);
  CHECK(message.envelope.sender == "t@x");
  CHECK(StateFile(to.state(QueueId(birth + 2)), third.header.key).load().size() == 1);
  REQUIRE(open_message(to.mess(b), message, why) == OpenResult::ok);
  CHECK(message.envelope.sender == "s@x");

  CHECK(run({program, source, source}).code == 100);
  CHECK(run({program, source}).code == 100);
  CHECK(run_as(61501, 61501, {program, source, target}).err ==
        "qmail-qmove: makes files of other users: run this as root\n");
  const Fd running = open_file(target + "/lock/sendmutex", O_RDONLY);
  REQUIRE(flock(running.get(), LOCK_EX) == 0);
  CHECK(run({program, source, target}).err ==
        "qmail-qmove: qmail-send is running on " + target + ": stop it first\n");
}

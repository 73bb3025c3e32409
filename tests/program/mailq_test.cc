// mailq of users who cannot read the queue, as an executable: qmail-send answers on gate/list/s and has
// qmail-qread write the list. mailq(1), qmail-sendsocket(5).
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/local_socket.h"
#include "lib/base/process.h"
#include "lib/net/queue_list.h"
#include "qmail-send/list_server.h"
#include "tests/catch.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr uid_t ann = 54321, bob = 54322, eve = 54323;  // nobody's uids

Outcome mailq(uid_t uid, gid_t gid) {
  Start start{{installed("mailq")}};
  start.uid = uid, start.gid = gid;
  return run(start, "", 60);
}
Outcome mailq(uid_t uid) {
  return mailq(uid, uid);
}

// Connected to qmail-send as this user would be; reads nothing until told to. The kernel notes who made the
// connection, so that the descriptor may change hands.
Fd reader_as(uid_t uid) {
  FdPair pair = make_socketpair(SOCK_SEQPACKET);
  const pid_t pid = fork_child("reader", [&]() -> int {
    become(uid, uid);
    const Fd socket = connect_local(list_socket_path(), SOCK_STREAM);
    const int fd = socket.get();
    return send_message(pair.second.get(), "it", &fd, 1) ? 0 : 1;
  });
  wait_for_child(pid);
  std::optional<Message> message = receive_message(pair.first.get(), 16);
  REQUIRE(message);
  REQUIRE(message->fd_count == 1);
  return std::move(message->fds[0]);
}

// What comes until the connection ends.
std::string rest_of(const Fd& reader) {
  set_nonblocking(reader.get(), false);
  return read_all(reader.get(), 100U << 20, "list").value();
}
bool refused(const std::string& text) {
  return text.size() > 1 && text[0] == '\0';
}

void wait_until_it_lists() {
  REQUIRE(eventually([] {
    try {
      connect_local(list_socket_path(), SOCK_STREAM);
      return true;
    } catch (const Error&) {
      return false;
    }
  }));
}

// Far more than a socket holds.
std::vector<std::string> many_recipients() {
  std::vector<std::string> many;
  for (int i = 0; i < 20000; ++i)
    many.push_back(std::to_string(i) + "-a-recipient-with-a-long-name@far-away-from-here.example");
  return many;
}

}  // namespace

TEST_CASE("mailq shows a user his own messages, and root and the queue's users all", "[mailq]") {
  SendStage stage(Controls{{"virtualdomains", "bobs.example:bob\n"}});
  stage.comes_from(ann);
  const QueueId fresh = stage.put("ann@x.example", {"a@far.example", "info@bobs.example"});
  const QueueId old = stage.put("ann@y.example", {"b@far.example"}, 100, false);
  stage.comes_from(bob);
  const QueueId other = stage.put("bob@x.example", {"c@far.example"}, 50, false);
  stage.start();
  wait_until_it_lists();
  auto asked = stage.request(there);
  REQUIRE(asked);
  const std::string reason = "Connected_to_192.0.2.1_but_greeting_failed.";
  stage.report(there, asked->request.delivery, 'Z', reason);
  asked = stage.request(here);
  REQUIRE(asked);
  stage.report(here, asked->request.delivery, 'K', "");
  REQUIRE(eventually([&] { return stage.state(fresh).size() == 2; }));

  const Outcome hers = mailq(ann);
  CHECK(hers.err == "");
  CHECK(hers.code == 0);
  CHECK(hers.out.find("#" + old.text() + "  39  <ann@y.example> \n\tremote\tb@far.example\n") <
        hers.out.find("#" + fresh.text() + "  39  <ann@x.example> \n\tremote\ta@far.example\n\t\t(" + reason +
                      ")\n  done\tlocal\tinfo@bobs.example\n"));
  CHECK(hers.out.find("#" + fresh.text()) != std::string::npos);
  CHECK(hers.out.ends_with("\n-- 1 Kbytes in 2 Requests.\n"));
  CHECK(hers.out.find("bob@") == std::string::npos);
  CHECK(hers.out.find(other.text()) == std::string::npos);
  CHECK(hers.out.find('\0') == std::string::npos);
  CHECK(hers.out.find("bob-info") == std::string::npos);  // whose account a domain is, is not his to know

  CHECK(mailq(bob).out.find(other.text()) != std::string::npos);
  CHECK(mailq(bob).out.ends_with("\n-- 1 Kbytes in 1 Request.\n"));
  CHECK(mailq(eve).out == "Mail queue is empty\n");
  CHECK(mailq(eve).code == 0);

  const Outcome all = mailq(0);
  for (const QueueId id : {fresh, old, other}) CHECK(all.out.find("#" + id.text()) != std::string::npos);
  CHECK(all.out.ends_with("\n-- 1 Kbytes in 3 Requests.\n"));
  CHECK(mailq(eve, *group_id(conf::group_qmail)).out == all.out);
  CHECK(stage.stop() == 0);

  // what nobody answers
  const Outcome down = mailq(ann);
  CHECK(down.code == 111);
  CHECK(down.out == "");
  CHECK(down.err.find("the queue cannot be shown: qmail-send is not running") != std::string::npos);
  CHECK(mailq(0).out == all.out);  // needs nobody
}

TEST_CASE("an empty queue is said to be empty", "[mailq]") {
  SendStage stage;
  stage.start();
  wait_until_it_lists();
  CHECK(mailq(0).out == "Mail queue is empty\n");
  CHECK(mailq(ann).out == "Mail queue is empty\n");
  CHECK(stage.stop() == 0);
}

TEST_CASE("a damaged message is in nobody's list but root's", "[mailq]") {
  SendStage stage;
  stage.comes_from(ann);
  const QueueId id = stage.put("ann@x.example", {"a@far.example"}, 100, false);
  {
    const Fd file = open_file(stage.paths().mess(id), O_WRONLY);
    pwrite_all(file.get(), "????", 100, "message");
  }
  stage.start();
  wait_until_it_lists();
  CHECK(mailq(ann).out == "Mail queue is empty\n");
  CHECK(mailq(0).out.find("warning: trouble with #" + id.text()) != std::string::npos);
  CHECK(stage.stop() == 0);
}

TEST_CASE("who does not read his list holds nobody up, and has no more than his share", "[mailq]") {
  SendStage stage;
  stage.comes_from(ann);
  stage.put("ann@x.example", many_recipients(), 100, false);
  stage.comes_from(bob);
  stage.put("bob@x.example", {"c@far.example"}, 100, false);
  stage.start();
  wait_until_it_lists();

  std::vector<Fd> slow;
  for (std::size_t i = 0; i < lists_of_a_user; ++i) {
    slow.push_back(reader_as(ann));
    REQUIRE(wait_readable(slow.back().get(), Deadline::in_seconds(20)));
  }
  const std::string no = rest_of(reader_as(ann));
  CHECK(refused(no));
  CHECK(no.find("have not ended yet") != std::string::npos);
  const Outcome third = mailq(ann);
  CHECK(third.code == 111);
  CHECK(third.err.find("the queue cannot be shown: your last lists have not ended yet") != std::string::npos);
  CHECK(mailq(bob).out.ends_with("-- 1 Kbytes in 1 Request.\n"));

  // qmail-send goes on with its work
  const QueueId id = stage.put_and_pull("s@x.example", {"u@test.example"});
  const auto asked = stage.request(here);
  REQUIRE(asked);
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));

  // who goes away makes room; who reads at last gets it all
  slow.pop_back();
  CHECK(eventually([&] { return !refused(rest_of(reader_as(ann))); }));
  const std::string whole = rest_of(slow.back());
  CHECK(whole.find("\n-- ") != std::string::npos);
  CHECK(whole.find("\t19999-a-recipient") != std::string::npos);
  CHECK(whole.back() == '\0');
  CHECK(stage.log().find("qread") == std::string::npos);  // that somebody went away is no trouble
  CHECK(stage.stop() == 0);
}

TEST_CASE("all together have so many lists at a time", "[mailq]") {
  SendStage stage;
  std::vector<uid_t> users;
  for (std::size_t i = 0; i < lists_at_once; ++i) users.push_back(ann + static_cast<uid_t>(i));
  for (const uid_t user : users) {
    stage.comes_from(user);
    stage.put("x@x.example", many_recipients(), 100, false);
  }
  stage.start();
  wait_until_it_lists();
  std::vector<Fd> slow;
  for (const uid_t user : users) {
    slow.push_back(reader_as(user));
    REQUIRE(wait_readable(slow.back().get(), Deadline::in_seconds(60)));
  }
  const Outcome one_more = mailq(ann - 1);
  CHECK(one_more.code == 111);
  CHECK(one_more.err.find("too many ask for it") != std::string::npos);
  slow.clear();
  CHECK(eventually([&] { return mailq(ann - 1).out == "Mail queue is empty\n"; }, 30));
  CHECK(stage.stop() == 0);
}

TEST_CASE("a list that breaks off is not taken for a whole one", "[mailq]") {
  SendStage stage;
  const std::string path = list_socket_path();
  const Fd listening = listen_local(path, SOCK_STREAM, 0666);
  Start start{{installed("mailq")}};
  start.uid = start.gid = ann;
  FdPair out = make_pipe(), err = make_pipe();
  start.fds = {{1, out.second.get()}, {2, err.second.get()}};
  Process process(start);
  out.second.reset(), err.second.reset();
  REQUIRE(wait_readable(listening.get(), Deadline::in_seconds(20)));
  {
    const Fd client(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(client);
    write_all(client.get(), "the first line\n", "list");
  }
  CHECK(process.wait() == 111);
  CHECK(read_all(out.first.get(), 1000, "out").value() == "the first line\n");
  CHECK(read_all(err.first.get(), 1000, "err").value().find("the list broke off") != std::string::npos);
  unlink(path.c_str());
}

TEST_CASE("without gate/list qmail-send works all the same", "[mailq]") {
  SendStage stage;
  const std::string directory = std::string(conf::home) + "/gate/list", aside = directory + ".aside";
  REQUIRE(rename(directory.c_str(), aside.c_str()) == 0);
  stage.start();
  CHECK(stage.logged("mailq will show users nothing"));
  CHECK(stage.stop() == 0);
  REQUIRE(rename(aside.c_str(), directory.c_str()) == 0);
  CHECK(mailq(ann).code == 111);
}

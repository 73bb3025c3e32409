// What qmail-send writes and reads besides the queue: log lines, qmail-clean's protocol, the
// trigger.

#include "lib/base/fd.h"
#include "qmail-send/activity_log.h"
#include "qmail-send/clean_protocol.h"
#include "qmail-send/trigger.h"
#include "tests/catch.h"

using namespace hato;

namespace {

template <typename Say>
std::string logged(Say say) {
  FdPair pipe = make_pipe();
  {
    ActivityLog log(pipe.second.get());
    say(log);
  }
  pipe.second.reset();
  return read_all(pipe.first.get(), 1 << 16, "log").value_or("");
}

}  // namespace

TEST_CASE("log lines are qmail-log(5)'s", "[activity_log]") {
  QueueHeader header;
  header.message_start = 1000;
  header.message_end = 1102;
  header.qp = 42;
  header.uid = 1001;
  header.trace = "0123456789abc";
  const QueueId id(1795430495014374);
  CHECK(logged([&](ActivityLog& l) { l.new_message(id); }) == "new msg 1795430495014374\n");
  QueuedEnvelope envelope;
  envelope.sender = "a@b c";
  CHECK(logged([&](ActivityLog& l) { l.info(id, header, envelope); }) ==
        "info msg 1795430495014374: bytes 102 from <a@b_c> qp 42 uid 1001 0123456789abc\n");
  envelope.origin = {{"ip", "192.0.2.1"}, {"script", "/home/abc/my form.cgi"}};
  CHECK(logged([&](ActivityLog& l) { l.info(id, header, envelope); }) ==
        "info msg 1795430495014374: bytes 102 from <a@b_c> qp 42 uid 1001 script /home/abc/my_form.cgi "
        "0123456789abc\n");
  CHECK(logged([&](ActivityLog& l) { l.starting(7, id, Channel::remote, "x@y"); }) ==
        "starting delivery 7: msg 1795430495014374 to remote x@y\n");
  CHECK(logged([&](ActivityLog& l) { l.success(7, "did 0+0+1\n"); }) == "delivery 7: success: did_0+0+1/\n");
  CHECK(logged([&](ActivityLog& l) { l.deferral(7, ""); }) == "delivery 7: deferral: \n");
  CHECK(logged([&](ActivityLog& l) { l.failure(7, "100%\tno\n2\n"); }) ==
        "delivery 7: failure: 100__no/2/\n");
  CHECK(logged([&](ActivityLog& l) { l.mangled(7); }) == "delivery 7: report mangled, will defer\n");
  CHECK(logged([&](ActivityLog& l) {
          l.status({1, 10}, {0, 20}, false);
        }) == "status: local 1/10 remote 0/20\n");
  CHECK(logged([&](ActivityLog& l) {
          l.status({0, 10}, {3, 500}, true);
        }) == "status: local 0/10 remote 3/500 exitasap\n");
  CHECK(logged([&](ActivityLog& l) { l.bounce(id, 99); }) == "bounce msg 1795430495014374 qp 99\n");
  CHECK(logged([&](ActivityLog& l) { l.notice(id, "delay", 99); }) ==
        "notice msg 1795430495014374 of delay qp 99\n");
  CHECK(logged([&](ActivityLog& l) { l.end(id); }) == "end msg 1795430495014374\n");
  CHECK(logged([&](ActivityLog& l) { l.exiting(); }) == "status: exiting\n");
  CHECK(logged([&](ActivityLog& l) { l.warning("x\ny"); }) == "warning: x?y\n");
}

TEST_CASE("nothing from outside makes a second log line, and no line is longer than a pipe's atom",
          "[activity_log]") {
  const std::string text = logged([&](ActivityLog& l) { l.failure(1, std::string(70000, '\n')); });
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.size() <= 4096);
  CHECK(activity_text("日本%\x7f\x01") == "日本___");
}

TEST_CASE("qmail-clean's commands and answers come back", "[clean_protocol]") {
  const std::vector<CleanCommand> commands = {{CleanVerb::unlink, true, QueueId(1)},
                                              {CleanVerb::unlink, false, QueueId(2)},
                                              {CleanVerb::defer, true, QueueId(3)},
                                              {CleanVerb::bad, true, QueueId(4)},
                                              {CleanVerb::bad, false, QueueId(1795430495014374)}};
  CHECK(encode_clean_commands(commands) ==
        "unlink new 1\nunlink mess 2\ndefer new 3\nbad new 4\nbad mess 1795430495014374\n");
  CHECK(decode_clean_commands(encode_clean_commands(commands)) == commands);
  const std::vector<CleanAnswer> answers = {{true, ""}, {false, "File exists"}};
  CHECK(encode_clean_answers(answers) == "+\n-File exists\n");
  CHECK(decode_clean_answers("+\n-File exists\n") == answers);
  CHECK(encode_clean_answers({{false, "a\nb"}}) == "-a?b\n");
}

TEST_CASE("nothing but those commands is obeyed", "[clean_protocol]") {
  for (const char* packet :
       {"", "\n", "unlink new 1", "unlink new 1\n\n", "unlink new \n", "unlink new 01\n", "unlink new -1\n",
        "unlink new ../1\n", "unlink new 1/2\n", "unlink new 1 \n", "unlink new  1\n", "UNLINK new 1\n",
        "unlink 1\n", "defer mess 1\n", "defer new 99999999999999999999\n", "unlink new 1\nrm\n",
        "unlink new 1x\n", "unlink bad 1\n"}) {
    CAPTURE(packet);
    CHECK_FALSE(decode_clean_commands(packet));
  }
  CHECK_FALSE(decode_clean_commands(std::string_view("unlink new 1\0\n", 14)));
  std::string many;
  for (std::size_t i = 0; i <= clean_batch_limit; ++i) many += "unlink new 1\n";
  CHECK_FALSE(decode_clean_commands(many));
  for (const char* packet : {"", "x\n", "+", "+ \n", "++\n"}) CHECK_FALSE(decode_clean_answers(packet));
}

TEST_CASE("the trigger's lines", "[trigger]") {
  struct Row {
    const char* text;
    std::vector<QueueId> ids;
    const char* left;
  };
  for (const Row& row : {
           Row{"", {}, ""},
           Row{"12\n", {QueueId(12)}, ""},
           Row{"12\n13\n14", {QueueId(12), QueueId(13)}, "14"},
           Row{"rubbish\n5\n\n../x\n", {QueueId(5)}, ""},
           Row{"a line that does not end and is too long to be an ID", {}, ""},
       }) {
    std::string text = row.text;
    CAPTURE(text);
    CHECK(take_ids(text) == row.ids);
    CHECK(text == row.left);
  }
}

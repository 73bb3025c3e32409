// lib/store/queuefile.h and the records of lib/net/gate.h: formats, and what damage does to them.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/error.h"
#include "lib/net/gate.h"
#include "lib/store/queuefile.h"
#include "qmail-send/spool_file.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;
using namespace hato::queue_format;
using namespace std::string_literals;

namespace {

QueueHeader sample_header() {
  QueueHeader header;
  header.birth_us = 1795429466150341;
  header.key.fill('k');
  header.trace = "nf063zt06c52p";
  header.uid = 1000;
  header.qp = 4711;
  header.kind = Kind::mx;
  return header;
}

QueuedEnvelope sample_envelope() {
  QueuedEnvelope envelope;
  envelope.origin = {{"ip", "192.0.2.1"}, {"helo", "x=y"}};
  envelope.sender = "a@b.example";
  envelope.params = "BODY=8BITMIME SMTPUTF8";
  envelope.recipients = {{"c@d.example", ""}, {"e@f.example", "NOTIFY=NEVER"}};
  return envelope;
}

// A directory with one queue file in it, gone afterwards.
class Spool {
 public:
  explicit Spool(const std::string& message, const std::string& prepend = "Received: x\n") {
    const Fd directory = open_file(scratch_.path(), O_RDONLY | O_DIRECTORY);
    SpoolFile file(directory.get());
    file.append(message.substr(0, message.size() / 2));
    file.append(message.substr(message.size() / 2));
    file.prepend(prepend);
    file.finish(sample_header(), sample_envelope());
    if (!file.link(QueueId(17))) throw TempError("the name is taken");
  }
  std::string path() const { return scratch_.file("17"); }
  void overwrite(off_t at, const std::string& bytes) const {
    const Fd fd = open_file(path(), O_WRONLY);
    pwrite_all(fd.get(), bytes, at, "spool");
  }

 private:
  ScratchDirectory scratch_;
};

}  // namespace

TEST_CASE("a header survives its encoding; any changed bit is noticed") {
  QueueHeader header = sample_header();
  header.message_start = message_area - 12;
  header.message_end = message_area + 5;
  header.recipients = 2;
  const std::string bytes = encode_header(header);
  REQUIRE(bytes.size() == header_size);
  const std::optional<QueueHeader> back = decode_header(bytes);
  REQUIRE(back);
  CHECK(back->birth_us == header.birth_us);
  CHECK(back->key == header.key);
  CHECK(back->trace == header.trace);
  CHECK(back->message_bytes() == 17);
  CHECK(back->kind == Kind::mx);
  for (std::size_t bit = 0; bit < header_size * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(decode_header(damaged));
  }
  CHECK_FALSE(decode_header(bytes.substr(1)));
  CHECK_FALSE(decode_header(""));
}

TEST_CASE("an envelope survives its encoding, and nothing that is cut or added to does") {
  const std::string bytes = encode_envelope(sample_envelope());
  const std::optional<QueuedEnvelope> back = decode_envelope(bytes);
  REQUIRE(back);
  CHECK(back->origin == sample_envelope().origin);
  CHECK(back->sender == "a@b.example");
  CHECK(back->params == "BODY=8BITMIME SMTPUTF8");
  REQUIRE(back->recipients.size() == 2);
  CHECK(back->recipients[1].params == "NOTIFY=NEVER");
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_FALSE(decode_envelope(bytes.substr(0, n)));
  CHECK_FALSE(decode_envelope(bytes + '\0'));
  CHECK_FALSE(decode_envelope("\0Xa\0\0\0"s));
}

TEST_CASE("ids are digits and nothing else: no path can be made of one") {
  CHECK(QueueId::parse("1795429466150341")->value() == 1795429466150341ULL);
  for (const char* wrong :
       {"", "0", "01", "-1", "+1", " 1", "1 ", "1/2", "../1", ".1", "12345678901234567890", "1a", "é"})
    CHECK_FALSE(QueueId::parse(wrong));
  const QueuePaths paths("/q", 23);
  CHECK(paths.mess(QueueId(100)) == "/q/mess/8/100");
  CHECK(paths.state(QueueId(100)) == "/q/state/8/100");
}

TEST_CASE("a spooled message reads from its start to the end of the file: fields, then message") {
  const std::string message = GENERATE(""s, "x"s, "Subject: x\n\nbody\n"s, std::string(300000, 'y'));
  const Spool spool(message);
  OpenedMessage opened;
  std::string why;
  REQUIRE(open_message(spool.path(), opened, why) == OpenResult::ok);
  CHECK(read_all(opened.fd.get(), 1 << 20, "spool") == "Received: x\n" + message);
  CHECK(opened.envelope.recipients.size() == 2);
  CHECK(check_message_body(opened).empty());
  const Fd delivery = open_delivery(spool.path(), opened.header);
  CHECK(read_all(delivery.get(), 1 << 20, "spool") == "Received: x\n" + message);
}

TEST_CASE("damage is found where the design says: header and envelope at open, the rest by qmail-qcheck") {
  const Spool spool("Subject: x\n\nbody\n");
  OpenedMessage opened;
  std::string why;
  SECTION("header") {
    spool.overwrite(20, "!");
    CHECK(open_message(spool.path(), opened, why) == OpenResult::damaged);
    CHECK(why == "its header is not a sound one");
  }
  SECTION("envelope") {
    spool.overwrite(header_size + 5, "!");
    CHECK(open_message(spool.path(), opened, why) == OpenResult::damaged);
    CHECK(why == "its envelope is not a sound one");
  }
  SECTION("cut off") {
    REQUIRE(truncate(spool.path().c_str(), static_cast<off_t>(message_area + 3)) == 0);
    CHECK(open_message(spool.path(), opened, why) == OpenResult::damaged);
    CHECK(why == "it has 268435459 bytes where its header says 268435473");
  }
  SECTION("empty") {
    REQUIRE(truncate(spool.path().c_str(), 0) == 0);
    CHECK(open_message(spool.path(), opened, why) == OpenResult::damaged);
  }
  SECTION("message") {
    spool.overwrite(static_cast<off_t>(message_area), "s");
    REQUIRE(open_message(spool.path(), opened, why) == OpenResult::ok);
    CHECK(check_message_body(opened) == "the message has changed");
  }
  SECTION("fields in front") {
    spool.overwrite(static_cast<off_t>(message_area - 2), "y");
    REQUIRE(open_message(spool.path(), opened, why) == OpenResult::ok);
    CHECK(check_message_body(opened) == "the fields put in front of the message have changed");
  }
  SECTION("not a file") {
    unlink(spool.path().c_str());
    CHECK(open_message(spool.path(), opened, why) == OpenResult::missing);
    REQUIRE(symlink("/etc/passwd", spool.path().c_str()) == 0);
    CHECK(open_message(spool.path(), opened, why) == OpenResult::damaged);
  }
}

TEST_CASE("later fields stand before earlier ones, and more than 1 MiB is refused") {
  const ScratchDirectory scratch;
  {
    const Fd directory = open_file(scratch.path(), O_RDONLY | O_DIRECTORY);
    SpoolFile file(directory.get());
    file.append("body");
    file.prepend("B: 1\n");
    file.prepend("A: 1\n");
    CHECK_THROWS_AS(file.prepend(std::string(prepend_limit, 'x')), TempError);
    file.finish(sample_header(), sample_envelope());
    CHECK(pread_some(file.fd(), 14, static_cast<off_t>(message_area - 10), "spool") == "A: 1\nB: 1\nbody");
  }
  CHECK(rmdir(scratch.path().c_str()) == 0);  // a file that got no name leaves nothing
}

TEST_CASE("gate records") {
  std::string bytes;
  append_record(bytes, 'M', "hello");
  append_record(bytes, 'C', "");
  char type;
  std::string_view payload;
  for (std::size_t n = 0; n < 10; ++n) {
    std::string_view part = std::string_view(bytes).substr(0, n);
    CHECK_FALSE(take_record(part, type, payload));
    CHECK(part.size() == n);
  }
  std::string_view rest = bytes;
  REQUIRE(take_record(rest, type, payload));
  CHECK(type == 'M');
  CHECK(payload == "hello");
  REQUIRE(take_record(rest, type, payload));
  CHECK(type == 'C');
  CHECK(rest.empty());
  std::string_view huge("M\xff\xff\xff\xff", 5);
  CHECK_THROWS_AS(take_record(huge, type, payload), TempError);
  const OriginFields fields{{"a", "1"}, {"b", "x=y"}, {"c", ""}};
  CHECK(decode_fields(encode_fields(fields)) == fields);
  CHECK(decode_fields(encode_fields({{"a", "x\0y"s}})) == OriginFields{{"a", "x"}});
  for (const std::string& wrong : {"a=1"s, "novalue\0"s, "=x\0"s}) CHECK_FALSE(decode_fields(wrong));
}

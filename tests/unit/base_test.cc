// lib/base: reading and writing with deadlines, control bytes in logs, clocks, checksums.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/byte_order.h"
#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/queue_exit.h"
#include "lib/base/trace.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

TEST_CASE("Reader gives lines in any pieces the kernel gives bytes") {
  FdPair pipe = make_pipe();
  write_all(pipe.second.get(), "one\ntwo\r\n\nlong line of twenty\nlast", "pipe");
  pipe.second.reset();
  const std::size_t space = GENERATE(1U, 2U, 7U, 4096U);
  Reader reader(pipe.first.get(), "pipe", 5, space);
  std::string line;
  CHECK(reader.read_line(line, 10) == Reader::Line::complete);
  CHECK(line == "one");
  CHECK(reader.read_line(line, 10) == Reader::Line::complete);
  CHECK(line == "two\r");
  CHECK(reader.read_line(line, 10) == Reader::Line::complete);
  CHECK(line.empty());
  CHECK(reader.read_line(line, 10) == Reader::Line::too_long);
  CHECK(line == "long line ");
  CHECK(reader.read_line(line, 100) == Reader::Line::complete);
  CHECK(line == "of twenty");
  CHECK(reader.read_line(line, 10) == Reader::Line::partial);
  CHECK(line == "last");
  CHECK(reader.read_line(line, 10) == Reader::Line::eof);
}

TEST_CASE("a line of exactly the limit is complete, one byte more is too long") {
  for (const auto& [text, result] :
       {std::pair{"12345\n", Reader::Line::complete}, {"123456\n", Reader::Line::too_long}}) {
    FdPair pipe = make_pipe();
    write_all(pipe.second.get(), text, "pipe");
    Reader reader(pipe.first.get(), "pipe", 5);
    std::string line;
    CHECK(reader.read_line(line, 5) == result);
    CHECK(line == "12345");
  }
}

TEST_CASE("Reader: silence ends in TimeoutError, and the writer is flushed before it waits") {
  FdPair pipe = make_pipe(), replies = make_pipe();
  Writer writer(replies.second.get(), "client");
  writer.put("220 hello\r\n");
  Reader reader(pipe.first.get(), "client", 1);
  reader.flush_before_reading(&writer);
  CHECK_THROWS_AS(reader.peek(), TimeoutError);
  char space[64];
  CHECK(read(replies.first.get(), space, sizeof space) == 11);
}

TEST_CASE("Writer: a full pipe times out, a closed one is EPIPE, and the first error stays") {
  signal(SIGPIPE, SIG_IGN);
  FdPair pipe = make_pipe();
  set_nonblocking(pipe.second.get(), true);
  Writer slow(pipe.second.get(), "client", 1);
  CHECK_THROWS_AS(slow.put(std::string(1 << 20, 'x')), TimeoutError);
  CHECK_THROWS_AS(slow.flush(), TimeoutError);
  FdPair gone = make_pipe();
  gone.first.reset();
  Writer writer(gone.second.get(), "client", 1);
  writer.put("x");
  try {
    writer.flush();
    FAIL("a closed pipe took bytes");
  } catch (const SystemError& e) {
    CHECK(e.error() == EPIPE);
    CHECK(e.text() == "write client: Broken pipe");
  }
  CHECK_THROWS_AS(writer.put("y"), SystemError);
}

TEST_CASE("Writer: a full disk is an error, not a short file (libowfat's own flush says nothing)") {
  const Fd full = open_file("/dev/full", O_WRONLY);
  Writer writer(full.get(), "queue");
  writer.put("x");
  CHECK_THROWS_AS(writer.flush(), SystemError);
}

TEST_CASE("descriptors travel with a message, and an end is an empty one") {
  FdPair pair = make_socketpair(SOCK_SEQPACKET), pipe = make_pipe();
  const int sent = pipe.second.get();
  REQUIRE(send_message(pair.first.get(), "take this", &sent, 1));
  const std::optional<Message> message = receive_message(pair.second.get(), 100);
  REQUIRE(message);
  CHECK(message->data == "take this");
  REQUIRE(message->fd_count == 1);
  CHECK((fcntl(message->fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
  write_all(message->fds[0].get(), "!", "pipe");
  char c;
  CHECK(read(pipe.first.get(), &c, 1) == 1);
  REQUIRE(send_message(pair.first.get(), std::string(200, 'x')));
  CHECK_THROWS_AS(receive_message(pair.second.get(), 100), TempError);
  pair.first.reset();
  CHECK(receive_message(pair.second.get(), 100)->data.empty());
  CHECK_FALSE(send_message(pair.second.get(), "nobody"));
}

TEST_CASE("a message whose descriptors cannot be taken is there all the same, and says so") {
  FdPair pair = make_socketpair(SOCK_SEQPACKET), pipe = make_pipe();
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int both[2] = {pipe.first.get(), pipe.second.get()};
  REQUIRE(send_message(pair.first.get(), "one comes", both, 2));
  REQUIRE(send_message(pair.first.get(), "none comes", both, 2));
  REQUIRE(send_message(pair.first.get(), "nobody sent any"));
  const Fd next(
      fcntl(0, F_DUPFD_CLOEXEC, pair.second.get()));  // the first free number, and this one is taken
  const rlimit less{static_cast<rlim_t>(next.get()) + 2, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &less) == 0);
  const std::optional<Message> one = receive_message(pair.second.get(), 100);
  const std::optional<Message> none = receive_message(pair.second.get(), 100);
  const std::optional<Message> last = receive_message(pair.second.get(), 100);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE((one && none && last));
  CHECK(one->data == "one comes");
  CHECK(one->fd_count == 2);
  CHECK(one->fds[0]);
  CHECK_FALSE(one->fds[1]);
  CHECK(none->data == "none comes");
  CHECK(none->fd_count == 1);
  CHECK_FALSE(none->fds[0]);
  CHECK(last->data == "nobody sent any");
  CHECK(last->fd_count == 0);
}

TEST_CASE("a file is read whole or not at all") {
  CHECK_FALSE(read_file("/nonexistent/file", 10));
  CHECK_THROWS_AS(read_file("/proc/self/maps", 10), TempError);
  CHECK_THROWS_AS(read_file("/proc/self", 10), SystemError);
}

TEST_CASE("log lines cannot be forged") {
  CHECK(log_safe("a\nqmail-send: b\r\t\x7f") == "a?qmail-send: b???");
  CHECK(log_safe("é") == "é");
  CHECK(log_safe(std::string(20, 'x'), 10) == "xxxxxxxxxx...");
  FdPair pipe = make_pipe();
  log_line(pipe.second.get(), std::string(9000, 'y'));
  char space[8192];
  CHECK(read(pipe.first.get(), space, sizeof space) == 4004);  // one write below PIPE_BUF
}

TEST_CASE("CRC-32C (RFC 3720 B.4) and its concatenation") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(crc32c("") == 0);
  CHECK(crc32c("456789", crc32c("123")) == 0xe3069283U);
}

TEST_CASE("big-endian numbers") {
  std::string bytes;
  put_big(bytes, std::uint32_t{0x01020304});
  put_big(bytes, std::uint64_t{0xfffefdfcfbfaf9f8});
  CHECK(bytes == "\x01\x02\x03\x04\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8");
  CHECK(get_big<std::uint64_t>(bytes, 4) == 0xfffefdfcfbfaf9f8);
}

TEST_CASE("TAI64N label (tai64nlocal(8)): 2^62 + 10 s + Unix time") {
  const std::int64_t before = now_seconds();
  const std::string label = tai64n_label();
  REQUIRE(label.size() == 25);
  CHECK(label[0] == '@');
  const std::uint64_t tai = std::stoull(label.substr(1, 16), nullptr, 16);
  CHECK(tai - (1ULL << 62) - 10 - static_cast<std::uint64_t>(before) <= 1);
}

TEST_CASE("deadlines") {
  CHECK(Deadline::never().poll_ms() == -1);
  CHECK(Deadline::in_seconds(0).passed());
  CHECK_FALSE(Deadline::in_seconds(100).passed());
  CHECK(earlier(Deadline::never(), Deadline::in_seconds(10)).poll_ms() <= 10000);
}

TEST_CASE("trace ids are made as they are checked, and differ") {
  const std::string one = new_trace_id();
  CHECK(is_trace_id(one));
  CHECK(one != new_trace_id());
  for (const char* wrong :
       {"", "short", "0123456789abcd", "0123456789AB/", "0123456789ab\n", "ilou567890abc"})
    CHECK_FALSE(is_trace_id(wrong));
}

TEST_CASE("qmail-queue's exit codes as texts (qmail-queue(8): 11 to 40 are permanent)") {
  for (int code = 1; code < 256; ++code) {
    const std::string text = queue_exit_text(code);
    CAPTURE(code, text);
    REQUIRE(text.size() > 10);
    CHECK(text[0] == ((code >= 11 && code <= 40) || code == 115 ? 'D' : 'Z'));
    CHECK(text.find(text[0] == 'D' ? "(#5." : "(#4.") != std::string::npos);
  }
  CHECK(queue_exit_text(0).empty());
  CHECK(queue_exit_text(82, "Dno (#5.7.1)") == "Dno (#5.7.1)");
  CHECK(queue_exit_text(82, "strange") == "Zstrange");
  CHECK(queue_exit_text(82) == "Zqq temporary problem (#4.3.0)");
}

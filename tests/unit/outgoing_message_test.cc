#include "remote/outgoing_message.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

std::string wire(const std::string& text, std::size_t piece) {
  WireEncoder encoder;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += piece)
    encoder.encode(std::string_view(text).substr(at, piece), out);
  encoder.finish(out);
  return out;
}

Fd memory_file(const std::string& text) {
  Fd fd(memfd_create("message", MFD_CLOEXEC));
  write_all(fd.get(), text, "memory file");
  return fd;
}

std::string all_of(OutgoingMessage& message) {
  std::string out;
  while (message.next(out)) {
  }
  return out;
}

}  // namespace

TEST_CASE("message on the wire", "[outgoing_message]") {
  struct Row {
    std::string text;
    std::string wire;
  };
  const Row rows[] = {
      {"", ""},
      {"a\n", "a\r\n"},
      {"\n", "\r\n"},
      {"a\nb\n", "a\r\nb\r\n"},
      {".\n", "..\r\n"},  // RFC 5321 4.5.2
      {"..\n.a\na.\n", "...\r\n..a\r\na.\r\n"},
      {"a", "a\r\n"},  // a final line end is added, nothing bounces
      {".", "..\r\n"},
      {"a\r\nb\r\n", "a\r\nb\r\n"},  // RFC 5321 2.3.8: CR and LF only together
      {"a\rb\n", "a b\r\n"},
      {"a\r\r\n", "a \r\n"},
      {"a\r", "a\r\n"},
      {"\r", "\r\n"},
      {"\r.\n", " .\r\n"},
      {"\r\n.\r\n", "\r\n..\r\n"},
      {"a\r\n.\rb\n", "a\r\n.. b\r\n"},  // no way to smuggle an end of data
      {"\r\r.\n", "  .\r\n"},
      {"a\0b\xff\n"s, "a\0b\xff\r\n"s},
  };
  for (const Row& row : rows)
    for (std::size_t piece = 1; piece <= row.text.size() + 1; ++piece) {
      CAPTURE(row.text, piece);
      CHECK(wire(row.text, piece) == row.wire);
    }
  const std::string long_line(5000, 'x');
  CHECK(wire(long_line + "\n", 1000) == long_line + "\r\n");
}

TEST_CASE("message in a file: from where the descriptor stands", "[outgoing_message]") {
  const Fd fd = memory_file("not this\nSubject: x\n\n.body\n");
  lseek(fd.get(), 9, SEEK_SET);
  OutgoingMessage message(fd.get());
  CHECK_FALSE(message.eight_bit());
  CHECK(message.wire_size() == 21);  // a CR for each line; the dot that is added is not counted
  for (int round = 0; round < 2; ++round) {
    CHECK(all_of(message) == "Subject: x\r\n\r\n..body\r\n");
    REQUIRE(message.rewind());
  }
}

TEST_CASE("message in a file: large ones", "[outgoing_message]") {
  std::string text;
  while (text.size() < 3 * message_piece) text += "line\n";
  text += "caf\xc3\xa9";
  const Fd fd = memory_file("x" + text);
  lseek(fd.get(), 1, SEEK_SET);
  OutgoingMessage message(fd.get());
  CHECK(message.eight_bit());
  const std::string expected = wire(text, text.size());
  CHECK(message.wire_size() == expected.size());
  CHECK(all_of(message) == expected);
  REQUIRE(message.rewind());
  CHECK(all_of(message) == expected);
}

TEST_CASE("message: sizes around the piece, file and pipe", "[outgoing_message]") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, message_piece - 1, message_piece, message_piece + 1}) {
    const std::string text = size == 0 ? "" : std::string(size - 1, 'y') + "\n";
    const std::string expected = wire(text, 4096);
    {
      const Fd fd = memory_file(text);
      lseek(fd.get(), 0, SEEK_SET);
      OutgoingMessage message(fd.get());
      CHECK(message.wire_size() == expected.size());
      CHECK(all_of(message) == expected);
    }
    FdPair pipe = make_pipe();
    fcntl(pipe.second.get(), F_SETPIPE_SZ, 1 << 20);
    write_all(pipe.second.get(), text, "pipe");
    pipe.second.reset();
    OutgoingMessage message(pipe.first.get());
    const bool known = size <= message_kept;
    CHECK(message.wire_size() == (known ? expected.size() : 0));
    CHECK(message.eight_bit() == !known);
    CHECK(all_of(message) == expected);
    CHECK(message.rewind() == known);
  }
}

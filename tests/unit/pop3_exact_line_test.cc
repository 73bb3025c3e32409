#include "pop3d/exact_line.h"

#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "tests/catch.h"

using namespace hato;
using Result = ExactLineReader::Result;

TEST_CASE("lines without a byte beyond") {
  const bool over_socket = GENERATE(true, false);
  CAPTURE(over_socket);
  FdPair ends = over_socket ? make_socketpair(SOCK_STREAM) : make_pipe();
  const auto send = [&](const std::string& data) { write_all(ends.second.get(), data, "test"); };
  ExactLineReader lines(ends.first.get());
  std::string line;
  const auto read_line = [&](std::size_t limit) {
    return lines.read_line(line, limit, Deadline::in(std::chrono::milliseconds(100)));
  };

  SECTION("what follows the line stays for the next program") {
    send("PASS x\r\nSTAT\r\nQUIT\r\n");
    REQUIRE(read_line(512) == Result::complete);
    CHECK(line == "PASS x\r");
    ends.second.reset();
    CHECK(read_all(ends.first.get(), 100, "rest") == "STAT\r\nQUIT\r\n");
  }
  SECTION("a line in pieces") {
    send("US");
    CHECK_THROWS_AS(read_line(512), TimeoutError);
    send("ER a\nNO");
    REQUIRE(read_line(512) == Result::complete);
    CHECK(line == "ER a");
  }
  SECTION("as long as the limit, and one longer") {
    send("12345\n123456\n");
    CHECK(read_line(5) == Result::complete);
    CHECK(line == "12345");
    CHECK(read_line(5) == Result::too_long);
  }
  SECTION("longer than any piece read at once") {
    send(std::string(2000, 'x') + "\n");
    REQUIRE(read_line(3000) == Result::complete);
    CHECK(line == std::string(2000, 'x'));
  }
  SECTION("the end of the input") {
    send("half");
    ends.second.reset();
    CHECK(read_line(512) == Result::eof);
    CHECK(read_line(512) == Result::eof);
  }
}

#include "pop3d/multiline.h"
#include "tests/catch.h"

#include <string>

using namespace hato;
using namespace std::string_literals;

namespace {

std::string encode(const std::string& file, std::uint64_t lines, std::size_t piece) {
  MultilineEncoder encoder(lines);
  std::string out;
  for (std::size_t at = 0; at < file.size(); at += piece)
    if (!encoder.feed(std::string_view(file).substr(at, piece), out)) break;
  encoder.finish(out);
  return out;
}

}  // namespace

TEST_CASE("a message as a multi-line response") {
  constexpr std::uint64_t all = MultilineEncoder::whole_message;
  struct Row {
    std::string file;
    std::uint64_t lines;
    std::string response;
    const char* source;
  };
  const Row rows[] = {
      {"", all, ".\r\n", "an empty file"},
      {"a: b\n\nc\n", all, "a: b\r\n\r\nc\r\n.\r\n", "RFC 1939 section 3"},
      {"a: b\r\n\r\nc\r\n", all, "a: b\r\n\r\nc\r\n.\r\n", "a file with CRLF"},
      {"a", all, "a\r\n.\r\n", "no final newline"},
      {"a\r", all, "a\r\r\n.\r\n", "a CR at the end is no line end"},
      {"\r", all, "\r\r\n.\r\n", "only a CR"},
      {"a\rb\n", all, "a\rb\r\n.\r\n", "a CR within a line"},
      {"a\r\r\n", all, "a\r\r\n.\r\n", "a CR before CRLF"},
      {".\n..\n.a\nb.\n", all, "..\r\n...\r\n..a\r\nb.\r\n.\r\n", "RFC 1939 section 3: dots"},
      {"\r.\n", all, "\r.\r\n.\r\n", "a dot behind a CR is not at the start of a line"},
      {".", all, "..\r\n.\r\n", "a dot, no final newline"},
      {"\0\xff\x80\n"s, all, "\0\xff\x80\r\n.\r\n"s, "8-bit and NUL"},
      {"a: b\n\nc\nd\ne\n", 0, "a: b\r\n\r\n.\r\n", "RFC 1939 section 7: TOP 0"},
      {"a: b\n\nc\nd\ne\n", 2, "a: b\r\n\r\nc\r\nd\r\n.\r\n", "TOP 2"},
      {"a: b\n\nc\nd", 9, "a: b\r\n\r\nc\r\nd\r\n.\r\n", "TOP beyond the end"},
      {"a: b\n\n\n\nd\n", 1, "a: b\r\n\r\n\r\n.\r\n", "an empty line of the body counts"},
      {"a: b\r\n\r\nc\r\nd\r\n", 1, "a: b\r\n\r\nc\r\n.\r\n", "TOP in a file with CRLF"},
      {"a: b\nc: d\n", 0, "a: b\r\nc: d\r\n.\r\n", "TOP of a header without body"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.file, row.lines, row.source);
    for (std::size_t piece = 1; piece <= row.file.size() + 1; ++piece)
      CHECK(encode(row.file, row.lines, piece) == row.response);
  }
}

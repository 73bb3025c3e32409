// qmail-sendsocket(5), gate/list/s: what a reader makes of a list that comes in pieces.
#include "lib/net/queue_list.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

TEST_CASE("a list's text, and how it ended", "[queue_list]") {
  struct Row {
    const char* what;
    std::string stream, text;
    bool ended;
    std::string why;
  };
  const Row rows[] = {
      {"whole", "one\ntwo\n\0"s, "one\ntwo\n", true, ""},
      {"not whole, with a reason", "one\n\0too long"s, "one\n", true, "too long"},
      {"refused", "\0too many"s, "", true, "too many"},
      {"broken off", "one\ntw", "one\ntw", false, "the list broke off"},
      {"nothing came", "", "", false, "the list broke off"},
      {"a reason is made safe for a terminal", "\0a\x1b[2J\nb\0c"s, "", true, "a?[2J?b?c"},
      {"a reason has an end", "\0"s + std::string(1000, 'x'), "", true, std::string(list_reason_limit, 'x')},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {1U, 3U, 4096U}) {
      CAPTURE(row.what, piece);
      QueueList list;
      std::string text;
      for (std::size_t at = 0; at < row.stream.size(); at += piece)
        text += list.take(std::string_view(row.stream).substr(at, piece));
      CHECK(text == row.text);
      CHECK(list.ended() == row.ended);
      CHECK(list.why() == row.why);
    }
}

TEST_CASE("the end of a list is read as it is written", "[queue_list]") {
  for (const std::string& why : {""s, "too many ask for it"s}) {
    QueueList list;
    CHECK(list.take("x\n" + encode_list_end(why)) == "x\n");
    CHECK(list.why() == why);
  }
  CHECK(encode_list_end("").size() == 1);
  CHECK(encode_list_end(std::string(5000, 'y')).size() <= 1 + list_reason_limit);
}

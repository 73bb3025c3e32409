#include "lib/net/smtp_reply.h"
#include "tests/catch.h"

using namespace hato;
using State = SmtpReplyParser::State;

TEST_CASE("smtp reply: table", "[smtp_reply]") {
  struct Row {
    const char* input;
    State state;
    unsigned code;
    const char* text;
    const char* enhanced;
  };
  const Row rows[] = {
      {"250 OK\r\n", State::done, 250, "250 OK\n", ""},
      {"250\r\n", State::done, 250, "250\n", ""},  // RFC 5321 4.2: no text, no blank: to be understood
      {"250 OK\n", State::done, 250, "250 OK\n", ""},
      {"250 2.1.5 Fine\r\n", State::done, 250, "250 2.1.5 Fine\n", "2.1.5"},
      {"250-a\r\n250-b\r\n250 c\r\n", State::done, 250, "250-a\n250-b\n250 c\n", ""},  // RFC 5321 4.2.1
      {"550-5.7.1 no\r\n550-\r\n550 5.7.1 really\r\n", State::done, 550,
       "550-5.7.1 no\n550-\n550 5.7.1 really\n", "5.7.1"},
      {"550-first\r\n550 5.1.1 second\r\n", State::done, 550, "550-first\n550 5.1.1 second\n", "5.1.1"},
      {"250-x\r\n450 y\r\n", State::done, 450, "250-x\n450 y\n", ""},                  // the last line counts
      {"550 4.7.1 wrong class\r\n", State::done, 550, "550 4.7.1 wrong class\n", ""},  // RFC 2034 4
      {"550 5.7.1234 x\r\n", State::done, 550, "550 5.7.1234 x\n", ""},
      {"550 5.7.1x\r\n", State::done, 550, "550 5.7.1x\n", ""},
      {"550 5.7.1\r\n", State::done, 550, "550 5.7.1\n", "5.7.1"},
      {"550 5.7.\r\n", State::done, 550, "550 5.7.\n", ""},
      {"250 a\tb\x01"
       "c\r\n",
       State::done, 250, "250 a\tb?c\n", ""},
      {"250 a\rb\r\r\n", State::done, 250, "250 a?b?\n", ""},
      {"250 OK", State::more, 0, nullptr, nullptr},
      {"250 OK\r", State::more, 0, nullptr, nullptr},
      {"250-a\r\n", State::more, 0, nullptr, nullptr},
      {"", State::more, 0, nullptr, nullptr},
      {"\r\n", State::malformed, 0, nullptr, nullptr},
      {"25\r\n", State::malformed, 0, nullptr, nullptr},
      {"2500 x\r\n", State::malformed, 0, nullptr, nullptr},
      {"250_x\r\n", State::malformed, 0, nullptr, nullptr},
      {"150 x\r\n", State::malformed, 0, nullptr, nullptr},
      {"650 x\r\n", State::malformed, 0, nullptr, nullptr},
      {"SSH-2.0-OpenSSH\r\n", State::malformed, 0, nullptr, nullptr},
      {"250-a\r\nb\r\n", State::malformed, 0, nullptr, nullptr},
  };
  for (const Row& row : rows) {
    for (const bool byte_by_byte : {false, true}) {
      CAPTURE(row.input, byte_by_byte);
      const std::string_view input = row.input;
      SmtpReplyParser parser;
      if (byte_by_byte)
        for (const char& c : input) {
          if (parser.state() != State::more) break;
          parser.feed({&c, 1});
        }
      else
        parser.feed(input);
      CHECK(parser.state() == row.state);
      if (row.state != State::done) continue;
      CHECK(parser.reply().code == row.code);
      CHECK(parser.reply().text == row.text);
      CHECK(parser.reply().enhanced_code() == row.enhanced);
    }
  }
}

TEST_CASE("smtp reply: several in one packet", "[smtp_reply]") {
  std::string_view input = "250 one\r\n550-two\r\n550 two\r\n354 three\r\n";
  SmtpReplyParser parser;
  std::vector<std::string> texts;
  while (!input.empty()) {
    input.remove_prefix(parser.feed(input));
    REQUIRE(parser.state() == State::done);
    texts.push_back(parser.reply().text);
  }
  CHECK(texts == std::vector<std::string>{"250 one\n", "550-two\n550 two\n", "354 three\n"});
}

TEST_CASE("smtp reply: lines", "[smtp_reply]") {
  SmtpReplyParser parser;
  parser.feed("250-mx.example\r\n250-SIZE 100\r\n250 8BITMIME\r\n");
  CHECK(parser.reply().lines() == std::vector<std::string_view>{"mx.example", "SIZE 100", "8BITMIME"});
}

TEST_CASE("smtp reply: limits", "[smtp_reply]") {
  {
    // A long refusal is understood; of its text the first max_reply_kept bytes are kept.
    SmtpReplyParser parser;
    std::string long_reply;
    while (long_reply.size() < max_reply_kept + 1000) long_reply += "550-" + std::string(400, 'x') + "\r\n";
    parser.feed(long_reply + "550 end\r\n");
    REQUIRE(parser.state() == State::done);
    CHECK(parser.reply().code == 550);
    CHECK(parser.reply().text.size() <= max_reply_kept);
    CHECK(parser.reply().text.size() > max_reply_kept - 10);
    CHECK(parser.reply().text.back() == '\n');
  }
  {
    SmtpReplyParser parser;
    const std::string endless(max_reply_bytes + 1, '2');
    CHECK(parser.feed(endless) <= endless.size());
    CHECK(parser.state() == State::malformed);
  }
  {
    SmtpReplyParser parser;
    std::string lines;
    for (std::size_t i = 0; i <= max_reply_lines; ++i) lines += "250-\n";
    parser.feed(lines);
    CHECK(parser.state() == State::malformed);
  }
}

// What qmail-authd is asked and answers, and how it slows guessing down: qmail-authd(8).

#include "checkpassword/guesses.h"
#include "lib/base/error.h"
#include "lib/net/auth_protocol.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("questions", "[auth]") {
  const AuthQuestion question{"abc", Secret("p=w 鳩"), "smtp", "192.0.2.1"};
  const std::string text = encode_auth_question(question);
  CHECK(text == "login=abc\npassword=p=w 鳩\nservice=smtp\nclient=192.0.2.1\n\n");
  const std::string two = text + "login=";
  const auto message = auth_message(two);
  REQUIRE(message);
  CHECK(message->taken == text.size());
  const auto parsed = parse_auth_question(message->text);
  REQUIRE(parsed);
  CHECK(parsed->login == "abc");
  CHECK(parsed->password.text() == "p=w 鳩");
  CHECK(parsed->client == "192.0.2.1");
  CHECK(parse_auth_question("login=a\npassword=\n"));
  CHECK_FALSE(auth_message("login=abc\npassword=x\n"));
  CHECK(auth_message("\nlogin")->taken == 1);
  for (const char* bad :
       {"", "login=a\n", "password=b\n", "login=\npassword=b\n", "login=a\npassword=b\nlogin=c\n",
        "login=a\npassword=b\nuid=0\n", "login=a\npassword=b\nclient=here\n",
        "login=a\npassword=b\nservice=SMTP!\n", "login=a\npassword=b", "nonsense\n"}) {
    INFO(bad);
    CHECK_FALSE(parse_auth_question(bad));
  }
  CHECK_FALSE(parse_auth_question("login=" + std::string(256, 'a') + "\npassword=b\n"));
  CHECK(parse_auth_question("login=" + std::string(255, 'a') + "\npassword=" + std::string(255, 'b') + "\n"));
  for (const char* evil : {"a\nuid=0", "a\n"})
    CHECK_THROWS_AS(encode_auth_question({evil, Secret("x"), "", ""}), PermError);
  CHECK_THROWS_AS(encode_auth_question({"a", Secret("x\ny"), "", ""}), PermError);
}

TEST_CASE("answers", "[auth]") {
  const auto told = [](const AuthAnswer& answer) {
    const std::string text = encode_auth_answer(answer);
    const auto message = auth_message(text);
    REQUIRE(message);
    CHECK(message->taken == text.size());
    return *parse_auth_answer(message->text);
  };
  const AuthAnswer yes = told({AuthAnswer::Result::yes, "login=abc\nuid=1000\n"});
  CHECK(yes.result == AuthAnswer::Result::yes);
  CHECK(yes.text == "login=abc\nuid=1000\n");
  CHECK(told({AuthAnswer::Result::no, ""}).result == AuthAnswer::Result::no);
  CHECK(told({AuthAnswer::Result::later, "why"}).text == "why");
  for (const char* bad :
       {"", "result=maybe\n", "result=no\nlogin=a\n", "result=later\n", "login=a\nresult=yes\n"}) {
    INFO(bad);
    CHECK_FALSE(parse_auth_answer(bad));
  }
}

TEST_CASE("an account and a client: three guesses, then each doubles the wait", "[auth]") {
  Guesses guesses;
  std::int64_t now = 1000000;
  for (const std::int64_t wait : {0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900}) {
    guesses.wrong("abc", "192.0.2.1", now);
    CHECK(guesses.wait("abc", "192.0.2.1", now) == wait);
    now += wait;
    CHECK(guesses.wait("abc", "192.0.2.1", now) == 0);
  }
  CHECK(guesses.wait("abc", "192.0.2.2", now) == 0);
  CHECK(guesses.wait("other", "192.0.2.1", now) == 0);
  guesses.right("abc", "192.0.2.1", now);
  guesses.wrong("abc", "192.0.2.1", now);
  CHECK(guesses.wait("abc", "192.0.2.1", now) == 0);
}

TEST_CASE("a client that tries many accounts", "[auth]") {
  Guesses guesses;
  for (int i = 0; i < 19; ++i) guesses.wrong("u" + std::to_string(i), "2001:db8::1", 1000);
  CHECK(guesses.wait("abc", "2001:db8::1", 1000) == 0);
  guesses.wrong("u19", "2001:db8::ffff:1", 1000);
  CHECK(guesses.wait("abc", "2001:db8::2:3:4:5", 1000) == 2);  // one /64 is one client
  CHECK(guesses.wait("abc", "2001:db8:0:1::1", 1000) == 0);
  // Its own right answer does not clear it.
  guesses.right("own", "2001:db8::1", 1000);
  CHECK(guesses.wait("abc", "2001:db8::1", 1000) == 2);
  CHECK(guesses.wait("abc", "2001:db8::1", 1000 + 3601) == 0);
}

TEST_CASE("many clients that try one account cannot lock its owner out", "[auth]") {
  Guesses guesses;
  guesses.right("abc", "198.51.100.7", 1000);
  for (int i = 0; i < 100; ++i) guesses.wrong("abc", "192.0.2." + std::to_string(i), 2000);
  CHECK(guesses.wait("abc", "203.0.113.9", 2000) == 30);
  CHECK(guesses.wait("abc", "203.0.113.9", 2030) == 0);
  CHECK(guesses.wait("abc", "198.51.100.7", 2000) == 0);
  CHECK(guesses.wait("xyz", "203.0.113.9", 2000) == 0);
}

TEST_CASE("memory is bounded, and a clock that is set back does not matter", "[auth]") {
  Guesses guesses;
  for (std::size_t i = 0; i < Guesses::entries_limit + 10; ++i)
    for (int k = 0; k < 1; ++k) guesses.wrong("u" + std::to_string(i), "", 5000);
  for (int i = 0; i < 3; ++i) guesses.wrong("abc", "192.0.2.1", 1000000);
  CHECK(guesses.wait("abc", "192.0.2.1", 1000000) == 2);
  CHECK(guesses.wait("abc", "192.0.2.1", 1000) == 0);
}

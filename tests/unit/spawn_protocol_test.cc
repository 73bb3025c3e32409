// The packets between qmail-send and its spawners (qmail-send/spawn_protocol.h).
#include "qmail-send/spawn_protocol.h"

#include "lib/base/error.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

TEST_CASE("a delivery request is a number, five NUL-terminated fields and two signs", "[spawn_protocol]") {
  const DeliveryRequest request{0x01020304, "s@a", "r@b", "0123456789abc", "SMTPUTF8", "NOTIFY=NEVER"};
  const std::string packet = "\x01\x02\x03\x04s@a\0r@b\0"s + "0123456789abc\0SMTPUTF8\0NOTIFY=NEVER\0--"s;
  CHECK(encode_request(request) == packet);
  CHECK(decode_request(packet) == request);
  CHECK(delivery_number(packet) == 0x01020304u);
  const DeliveryRequest one_of_many{1, "s@a", "r@b", "t", "", "", true, true};
  CHECK(encode_request(one_of_many).ends_with("\0++"s));
  CHECK(decode_request(encode_request(one_of_many)) == one_of_many);
}

TEST_CASE("a null sender and empty parameters are fields too", "[spawn_protocol]") {
  const DeliveryRequest request{0xffffffff, "", "r@b", "", "", ""};
  CHECK(decode_request(encode_request(request)) == request);
}

TEST_CASE("what is no request", "[spawn_protocol]") {
  const std::string whole = encode_request({7, "s", "r", "t", "m", "p"});
  for (std::size_t n = 0; n < whole.size(); ++n) {  // cut off anywhere
    CAPTURE(n);
    CHECK_FALSE(decode_request(whole.substr(0, n)));
  }
  CHECK_FALSE(decode_request(whole + "x"));
  CHECK_FALSE(decode_request(whole + "\0"s));
  CHECK_FALSE(delivery_number("abc"));
  CHECK_FALSE(decode_request(whole.substr(0, 4) + std::string(delivery_request_limit, 'a') + "\0\0\0\0\0"s));
}

TEST_CASE("a request that cannot be told is temporary", "[spawn_protocol]") {
  CHECK_THROWS_AS(encode_request({1, "a\0b"s, "r", "t", "", ""}), TempError);
  CHECK_THROWS_AS(encode_request({1, "s", std::string(delivery_request_limit, 'a'), "t", "", ""}), TempError);
  const std::string longest(delivery_request_limit - 4 - 5 - 2, 'a');
  CHECK(decode_request(encode_request({1, "", longest, "", "", ""}))->recipient == longest);
}

TEST_CASE("a report is a number, a status, a word about the host and text", "[spawn_protocol]") {
  CHECK(encode_report({258, 'K', "did 1+0+0\n"}) == "\0\0\1\2K-did 1+0+0\n"s);
  CHECK(encode_report({1, 'Z', "x", HostSays::trouble}) == "\0\0\0\1Z!x"s);
  CHECK(decode_report("\0\0\0\1K+x"s) == DeliveryReport{1, 'K', "x", HostSays::answered});
  CHECK(decode_report("\0\0\1\2D-no\n"s) == DeliveryReport{258, 'D', "no\n"});
  CHECK(decode_report("\0\0\0\0Z-"s) == DeliveryReport{0, 'Z', ""});
  CHECK_FALSE(decode_report("\0\0\0\0"s));
  CHECK_FALSE(decode_report("\0\0\0\0Z"s));
  CHECK_FALSE(decode_report("\0\0\0\0X-"s));
  CHECK_FALSE(decode_report("\0\0\0\0Z?"s));
  CHECK(decode_report(encode_report({1, '?', "x"}))->status == 'Z');
  CHECK(decode_report(encode_report({1, 'K', "a\0b"s}))->text == "a");
  CHECK(decode_report(encode_report({1, 'K', std::string(70000, 'a')}))->text.size() == delivery_text_limit);
  CHECK_FALSE(decode_report("\0\0\0\0K-"s + std::string(delivery_text_limit + 1, 'a')));
}

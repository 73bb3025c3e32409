// SHA-256 (lib/base/sha256.h) and hexadecimal digits (lib/base/hex.h).
#include "lib/base/sha256.h"

#include "lib/base/hex.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("octets as hexadecimal digits", "[hex]") {
  CHECK(to_hex("").empty());
  CHECK(to_hex(std::string_view("\0\x0f\xa5\xff", 4)) == "000fa5ff");
}

// The examples of FIPS 180-4's predecessor, 180-2, appendix B, and the digest of nothing.
TEST_CASE("SHA-256 of what the standard has as examples", "[sha256]") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  CHECK(to_hex(sha256(two_blocks)) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(two_blocks.substr(0, 20), two_blocks.substr(20)) == sha256(two_blocks));
}

#include <crypt.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "checkpassword/credentials.h"
#include "checkpassword/mail_login.h"
#include "checkpassword/system_account.h"
#include "lib/base/md5.h"
#include "lib/base/password_hash.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

std::string hash(const char* password, const char* setting) {
  const auto data = std::make_unique<crypt_data>();
  return crypt_r(password, setting, data.get());
}

}  // namespace

TEST_CASE("descriptor 3 of the checkpassword interface") {
  // cr.yp.to/checkpwd/interface.html: login NUL password NUL timestamp NUL, possibly more
  const auto good = parse_credentials("joe\0pw\0<1.2@h>\0"s);
  REQUIRE(good);
  CHECK(good->login.text() == "joe");
  CHECK(good->password.text() == "pw");
  CHECK(good->timestamp == "<1.2@h>");
  CHECK(parse_credentials("joe\0pw\0t\0more"s));
  CHECK(parse_credentials("\0\0\0"s));
  for (const std::string& wrong : {""s, "joe"s, "joe\0"s, "joe\0pw"s, "joe\0pw\0"s, "joe\0pw\0t"s}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_credentials(wrong));
  }
}

TEST_CASE("dates of shadow(5)") {
  struct Row {
    ShadowDates dates;
    bool expired;
    const char* source;
  };
  constexpr std::int64_t today = 20000;
  const Row rows[] = {
      {{}, false, "nothing set"},
      {{.last_change = 19000, .maximum = 99999}, false, "what useradd writes"},
      {{.expires = today}, true, "expires: the day from which it cannot be used"},
      {{.expires = today + 1}, false, "tomorrow"},
      {{.expires = 0}, true, "1970 is a date"},
      {{.last_change = 0, .maximum = 99999}, true, "must be changed at the next login"},
      {{.last_change = today - 30, .maximum = 30}, false, "its last day"},
      {{.last_change = today - 31, .maximum = 30}, true, "one day over"},
      {{.last_change = today - 31, .maximum = 30, .inactive = 1}, false, "in the days of grace"},
      {{.last_change = today - 32, .maximum = 30, .inactive = 1}, true, "after them"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.source);
    CHECK(account_expired(row.dates, today) == row.expired);
  }
}

TEST_CASE("passwords and hashes of crypt(5)") {
  const std::string decoy = hash("decoy", "$5$rounds=1000$decoy");
  const char* settings[] = {"$y$j9T$abcdefghijklmnop", "$2b$04$abcdefghijklmnopqrstuu", "$6$rounds=1000$salt",
                            "$5$rounds=1000$salt", "$1$salt"};
  for (const char* setting : settings) {
    CAPTURE(setting);
    const std::string stored = hash("correct horse", setting);
    REQUIRE(stored[0] == '$');
    CHECK(password_matches("correct horse", stored, decoy));
    CHECK_FALSE(password_matches("correct hors", stored, decoy));
    CHECK_FALSE(password_matches("", stored, decoy));
    CHECK_FALSE(password_matches("correct horse", "!" + stored, decoy));  // passwd -l
  }
}

TEST_CASE("hashes that are nobody's") {
  const std::string decoy = hash("decoy", "$5$rounds=1000$decoy");
  for (const char* stored : {"", "*", "!", "!!", "x", "*0", "*1", "!*", "$", "$9$nonsense", "plain"}) {
    CAPTURE(stored);
    CHECK_FALSE(password_matches("decoy", stored, decoy));
    CHECK_FALSE(password_matches("", stored, decoy));
    CHECK_FALSE(password_matches(stored, stored, decoy));
  }
}

TEST_CASE("an unknown login is refused, and root is, whatever the password") {
  if (geteuid() != 0) return;
  CHECK_FALSE(check_system_account("no-such-user-of-hato", "x"));
  CHECK_FALSE(check_system_account("root", "x"));
  CHECK_FALSE(check_system_account("", ""));
}

TEST_CASE("MD5 of APOP and CRAM-MD5") {
  // RFC 1939 section 7, RFC 2195 section 2
  CHECK(md5_hex("<1896.697170952@dbc.mtview.ca.us>", "tanstaaf") == "c4c9334bac560ecc979e58001b3e22fb");
  CHECK(hmac_md5_hex("tanstaaftanstaaf", "<1896.697170952@postoffice.reston.mci.net>") ==
        "b913a602c7eda7a495b4e6e7334d3890");
}

TEST_CASE("what proves a login") {
  AccountSecret secret;
  secret.hash = hash("correct horse", "$5$rounds=1000$salt");
  const std::string challenge = "<1896.697170952@dbc.mtview.ca.us>", digest = md5_hex(challenge, "tanstaaf");
  const auto proved = [&](LoginProof::Method method, std::string_view response, std::string_view asked) {
    return proves(LoginProof{method, Secret(response), std::string(asked)}, secret);
  };
  using Method = LoginProof::Method;
  CHECK(proved(Method::password, "correct horse", ""));
  CHECK_FALSE(proved(Method::password, "correct hors", ""));
  // no shared secret: nothing is its digest
  CHECK_FALSE(proved(Method::apop, md5_hex(challenge, ""), challenge));
  CHECK_FALSE(proved(Method::cram_md5, hmac_md5_hex("", challenge), challenge));
  secret.shared = "tanstaaf";
  CHECK(proved(Method::apop, digest, challenge));
  CHECK(proved(Method::password_or_apop, digest, challenge));
  CHECK(proved(Method::password_or_apop, "correct horse", challenge));
  CHECK_FALSE(proved(Method::password, digest, challenge));
  CHECK_FALSE(proved(Method::apop, digest, "<other@challenge>"));
  CHECK_FALSE(proved(Method::apop, md5_hex("", "tanstaaf"), ""));  // no challenge was given
  CHECK(proved(Method::cram_md5, hmac_md5_hex("tanstaaf", challenge), challenge));
  CHECK_FALSE(proved(Method::cram_md5, digest, challenge));
  secret.hash.insert(0, "!");  // locked: nothing helps
  CHECK_FALSE(proved(Method::password_or_apop, "correct horse", challenge));
  CHECK_FALSE(proved(Method::apop, digest, challenge));
  CHECK_FALSE(proved(Method::cram_md5, hmac_md5_hex("tanstaaf", challenge), challenge));
}

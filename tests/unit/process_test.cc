// Daemons' users and groups (lib/base/process.h).
#include "lib/base/process.h"
#include "tests/catch.h"

#include <grp.h>
#include <pwd.h>

using namespace hato;

TEST_CASE("process: /etc/passwd and /etc/group are read as glibc reads them", "[process]") {
  int seen = 0;
  setpwent();
  while (const passwd* entry = getpwent()) {
    ++seen;
    CAPTURE(entry->pw_name);
    const std::optional<User> user = passwd_user(std::string(entry->pw_name));
    REQUIRE(user);
    CHECK(user->uid == entry->pw_uid);
    CHECK(user->gid == entry->pw_gid);
    CHECK(user->home == entry->pw_dir);
    CHECK(user->shell == entry->pw_shell);
    CHECK(passwd_user(entry->pw_uid)->uid == entry->pw_uid);
  }
  endpwent();
  CHECK(seen > 0);
  while (const group* entry = getgrent()) CHECK(group_id(entry->gr_name) == entry->gr_gid);
  endgrent();
  CHECK_FALSE(passwd_user(std::string("hato-nobody-of-this-name")));
  CHECK_FALSE(passwd_user(std::string("")));
  CHECK_FALSE(group_id("hato-no-group-of-this-name"));
}

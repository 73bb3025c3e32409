// A home of the suite for one test: an empty one laid over conf::home in a mount namespace that only this
// process and its children see, with copies of the programs that the test names. /etc/passwd can be replaced
// in the same way. Nothing of it is left when the test ends, however it ends.
#pragma once

#include <sys/types.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"

namespace hato::test {

class PrivateHome {
 public:
  // The programs are copied from conf::home's bin; directories bin, control, users, alias, queue are made
  // (root's).
  explicit PrivateHome(std::initializer_list<const char*> programs);
  PrivateHome(const PrivateHome&) = delete;
  PrivateHome& operator=(const PrivateHome&) = delete;
  ~PrivateHome();

  std::string path(const std::string& below) const;  // as the programs see it
  // Writes a file below home.
  void write(const std::string& below, std::string_view text, mode_t mode = 0644) const;
  // A shell script in bin.
  void script(const std::string& name, const std::string& commands) const;
  // What getpwnam and passwd_user see is /etc/passwd with these lines behind it.
  void add_accounts(const std::string& passwd_lines);

 private:
  std::string real_;  // the directory that was laid over home
  std::string passwd_;
};

// Runs a program to its end. `input` is its fd 0. At most a minute.
struct Result {
  int code;  // exit code, or -signal
  std::string out;
  std::string err;
};
Result run(const std::vector<std::string>& args, std::string_view input = "");
// `prepare` runs in the child before exec.
Result run_prepared(const std::function<void()>& prepare, const std::vector<std::string>& args,
                    std::string_view input = "");
// As another user with no other groups.
Result run_as(uid_t uid, gid_t gid, const std::vector<std::string>& args, std::string_view input = "");

// A directory below /tmp that everybody can search, removed with all in it.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  const std::string& path() const { return path_; }
  // A directory in it that belongs to a uid.
  std::string directory(const std::string& name, uid_t uid, mode_t mode = 0755) const;

 private:
  std::string path_;
};

}  // namespace hato::test

// A program under test: started with its descriptors in our hands, ended and reaped whatever becomes of the
// test.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "lib/base/fd.h"

namespace hato::test {

std::string installed(const std::string& name);  // tests/program/process.h

struct StartOptions {
  std::string directory = "/";
  uid_t uid = 0;  // 0: stay root. Otherwise uid, gid and no other groups.
  gid_t gid = 0;
  std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin"};
};

class Child {
 public:
  // descriptors: number in the child → ours (which stays open here). All others are closed; 0 to 2 not named
  // are /dev/null.
  Child(const std::vector<std::string>& args, const std::map<int, int>& descriptors,
        const StartOptions& options = {});
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // SIGKILL when it still runs

  pid_t pid() const { return pid_; }
  // The wait status; -1 when it did not end within `seconds` (it is killed then).
  int wait(int seconds = 20);
  // The exit code; -1 for a signal or none in time.
  int exit_code(int seconds = 20);

 private:
  pid_t pid_;
  bool reaped_ = false;
  int status_ = -1;
};

// What comes from fd until `end` is seen in it, the input ends or time is over.
std::string read_up_to(int fd, const std::string& end, int seconds = 10);
std::string read_to_end(int fd, int seconds = 20);
void send(int fd, const std::string& data);

// A directory that everybody may enter, gone with all in it afterwards.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write_file(const std::string& path, const std::string& text, uid_t uid = 0, gid_t gid = 0,
                mode_t mode = 0644);

}  // namespace hato::test

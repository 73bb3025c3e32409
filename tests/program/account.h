// A user of this machine for the length of a test, with a home; and what tests of logins need besides.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/program/process.h"

namespace hato::test {

void write_owned(const std::string& path, const std::string& text, uid_t uid, gid_t gid, mode_t mode);

// Runs a system command to its end; throws TempError when it fails.
void run_command(const std::vector<std::string>& args, const std::string& input = "");

class Account {
 public:
  explicit Account(const std::string& password);  // a name that no other test uses
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  const std::string& name() const { return name_; }
  const std::string& home() const { return directory_.path(); }
  uid_t uid() const { return uid_; }
  gid_t gid() const { return gid_; }

 private:
  ScratchDirectory directory_;
  std::string name_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

}  // namespace hato::test

// For program tests of qmail-local: the home of joe, who is nobody on this machine, and deliveries into it.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "tests/program/process.h"

namespace hato::test {

inline constexpr uid_t joe_uid = 64210;  // no account is needed
inline constexpr gid_t joe_gid = 64211;
inline const std::string small_message = "Subject: test\n\nFrom here\n";
// What a delivery of it by LocalCall's defaults has in front.
inline const std::string delivery_lines =
    "Return-Path: <sender@from.example>\nDelivered-To: joe@www.at.example\n";

// What qmail-local is started with, besides the home.
struct LocalCall {
  std::string local = "joe", dash = "", ext = "", sender = "sender@from.example",
              default_delivery = "./Maildir/";
  std::string message = small_message;
  std::vector<std::string> options{};
  std::map<std::string, std::string> env{};
};

class LocalHome {
 public:
  LocalHome();
  void own(const std::string& what) const;  // gives a file to joe
  // Writes a file of joe's; returns its path.
  std::string file(const std::string& name, const std::string& content, mode_t mode = 0644) const;
  std::string maildir(const std::string& name = "Maildir") const;
  std::string read(const std::string& name) const { return slurp(path + "/" + name); }
  bool has(const std::string& name) const;
  // The contents of the files in Maildir/new, sorted.
  std::vector<std::string> delivered(const std::string& name = "Maildir") const;
  // The message on a descriptor that stands behind the queue's part of the file.
  Fd message(const std::string& content) const;
  std::vector<std::string> args(const LocalCall& call) const;
  // Runs qmail-local as joe to its end.
  Outcome deliver(const LocalCall& call = {}) const;

  ScratchDirectory scratch;  // home is below it
  std::string path;
};

}  // namespace hato::test

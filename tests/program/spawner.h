// For program tests of qmail-lspawn and qmail-rspawn: one of them, with the test in qmail-send's place.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "qmail-send/spawn_protocol.h"
#include "tests/program/private_home.h"

namespace hato::test {

class Spawner {
 public:
  // `prepare` runs in the child before exec.
  explicit Spawner(
      const std::vector<std::string>& args, const std::function<void()>& prepare = [] {});
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  void request(const DeliveryRequest& request, const std::string& text = "Subject: x\n\nbody\n");
  void request_raw(const std::string& packet, bool with_message);
  // The next report; fails the test when none comes within a minute.
  DeliveryReport report();
  // Asks for one delivery and waits for its report. more: others for the same destination are to come.
  DeliveryReport deliver_one(const std::string& recipient, const std::string& sender = "s@example.org",
                             bool more = true, const std::string& params = "");
  // The report alone, "K text", of a single delivery, and of one with more to come.
  std::string deliver(const std::string& recipient, const std::string& sender = "s@example.org");
  std::string deliver_more(const std::string& recipient, const std::string& sender = "s@example.org");
  // qmail-send is gone; the spawner's exit code, -1 when a signal ended it.
  int close();
  pid_t pid() const { return pid_; }

 private:
  Fd socket_;
  pid_t pid_ = -1;
  std::uint32_t number_ = 0;
};

// qmail-lspawn's command line in this home; what has no .qmail file goes to ./Maildir/.
std::vector<std::string> lspawn(const PrivateHome& home);
// Makes users/cdb of lines as in users/assign.
void write_users(const PrivateHome& home, const std::vector<std::string>& lines);

}  // namespace hato::test

// A server for tests of clients whose protocol has no lines: a thread on one loopback address and port, one
// connection after the other. It takes so many octets, answers, and closes.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "tests/program/server_thread.h"

namespace hato::test {

struct BytePlan {
  std::size_t octets = 0;  // to be read before the answer
  std::string answer{};
  unsigned rounds = 1;   // so many times octets are read and answered
  std::size_t also = 0;  // so many more octets are read, and not answered
  bool silent = false;   // then says nothing until the client goes
  bool reset = false;    // ends the connection by a reset instead
};

class ByteServer {
 public:
  // A plan for each connection; the last one is for all that follow.
  explicit ByteServer(std::vector<BytePlan> plans, const std::string& address = "127.0.0.1");
  ~ByteServer();
  ByteServer(const ByteServer&) = delete;
  ByteServer& operator=(const ByteServer&) = delete;

  std::uint16_t port() const { return port_; }
  // "127.0.0.1:1234", "[::1]:1234"
  std::string name() const;
  // What each connection brought, up to now.
  std::vector<std::string> received() const;

 private:
  void serve();
  void talk(int fd, const BytePlan& plan);

  std::vector<BytePlan> plans_;
  std::string address_;
  std::uint16_t port_ = 0;
  Fd listen_;
  mutable std::mutex mutex_;
  std::vector<std::string> received_;
  ServerThread thread_;
};

}  // namespace hato::test

// The thread of a scripted server, which waits for its sockets and for the end of the test.
#pragma once

#include <thread>

#include "lib/base/fd.h"

namespace hato::test {

class ServerThread {
 public:
  ServerThread() : stop_(make_pipe()) {}
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;
  ~ServerThread() { end(); }

  // serve() returns when stopped() becomes readable.
  template <typename Serve>
  void start(Serve serve) {
    thread_ = std::thread(serve);
  }
  int stopped() const { return stop_.first.get(); }
  // Waits for serve(). A server calls it first in its destructor, while it still has what serve() uses.
  void end() {
    stop_.second.reset();
    if (thread_.joinable()) thread_.join();
  }

 private:
  FdPair stop_;
  std::thread thread_;
};

}  // namespace hato::test

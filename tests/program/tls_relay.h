// The server's side of TLS for scripted servers: takes a client's socket, and gives a socket with the clear
// text.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "lib/base/fd.h"

namespace hato::test {

// What goes wrong in the handshake.
enum class TlsFault {
  none,
  hang_up,  // closes when the client has begun
  alert,    // answers with the alert handshake_failure
  garbage,  // answers with something that is not TLS
  silent,   // never answers
  cut,      // closes in the middle of its own first words
};

struct TlsIdentity {
  std::string chain;  // PEM; empty: no TLS
  std::string key;    // PEM, of the first one
  TlsFault fault = TlsFault::none;
};

class TlsRelay {
 public:
  // Does the handshake (20 seconds at most) on a blocking socket, which stays the caller's. stop: readable
  // when it is to give up.
  TlsRelay(int client, int stop, const TlsIdentity& identity);
  ~TlsRelay();
  TlsRelay(const TlsRelay&) = delete;
  TlsRelay& operator=(const TlsRelay&) = delete;

  bool up() const { return up_; }
  int clear() const { return clear_.get(); }  // the other end of what the client says
  const std::string& server_name() const { return server_name_; }

 private:
  struct Engine;
  bool shake_hands();
  void relay();

  int client_, stop_;
  std::unique_ptr<Engine> engine_;
  bool up_ = false;
  std::string server_name_;
  Fd clear_, inner_;
  std::thread thread_;
};

}  // namespace hato::test

// A client of a server program: what tcpserver tells of it, and a session on a socket as tcpserver gives it.
#pragma once

#include <sys/socket.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "tests/program/process.h"

namespace hato::test {

using Env = std::map<std::string, std::string>;
// A client out in the world, without rights.
inline const Env from_outside = {{"PROTO", "TCP"},
                                 {"TCPREMOTEIP", "192.0.2.7"},
                                 {"TCPREMOTEHOST", "out.example"},
                                 {"TCPLOCALHOST", "mx.example"},
                                 {"TCPLOCALIP", "192.0.2.1"}};
Env with(Env env, const Env& more);

class LiveSession {
 public:
  // log_is_client: descriptor 2 is the socket, too, as inetd does it.
  explicit LiveSession(const std::string& program, const Env& env = from_outside, bool log_is_client = false);
  void send(std::string_view octets) const;
  std::string until(const std::string& text, int seconds = 20) const {
    return read_until(client_.get(), text, seconds);
  }
  std::string to_end(int seconds = 20) const { return read_to_end(client_.get(), seconds); }
  void shut() const { shutdown(client_.get(), SHUT_WR); }  // nothing more comes from the client
  void close() { client_.reset(); }
  Process& process() { return *process_; }
  pid_t pid() const { return process_->pid(); }
  long peak_kib() const;  // the most memory that it has had

 private:
  Fd client_;
  FdPair log_;
  std::unique_ptr<Process> process_;
};

}  // namespace hato::test

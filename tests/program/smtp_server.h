// A scripted SMTP server for tests: a thread on one loopback address and port, one connection after the
// other.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/net/tcp.h"
#include "tests/program/server_thread.h"
#include "tests/program/tls_relay.h"

namespace hato::test {

// Replies are lines without CR; several lines are separated by "\n". "" means: hang up instead.
struct SmtpScript {
  std::string greeting = "220 test";
  std::string ehlo = "250-test\n250-PIPELINING\n250-8BITMIME\n250 SIZE 0";
  // By the beginning of a command ("RCPT TO:<bad"); the longest fits. Others get 250, DATA 354, QUIT 221.
  std::map<std::string, std::string> replies{};
  std::string message = "250 2.0.0 queued";  // after the final dot
  std::size_t most_messages = 0;             // so many on one connection, then MAIL is answered by:
  std::string too_many{};
  bool silent = false;              // accepts and never says a word
  bool reset = false;               // accepts and resets at once
  bool early_quit_in_data = false;  // says `message` after the first line of content and hangs up
  TlsIdentity tls{};                // with a chain it knows STARTTLS (which `ehlo` has to offer)
  bool tls_on_connect = false;      // TLS from the first byte
  std::string ehlo_in_tls{};        // instead of `ehlo`, unless empty
  std::string behind_starttls{};    // in clear text right behind the answer to STARTTLS
};

struct SmtpSession {
  // Without line ends; "(TLS name)" where TLS begins, "(TLS failed)".
  std::vector<std::string> commands;
  std::vector<std::string> messages;  // as they came: CRLF, dots doubled, without the final dot
  bool bare_cr_or_lf = false;
  bool early_commands = false;  // something came before the reply to the command in front of it
};

class SmtpServer {
 public:
  // port 0: any.
  SmtpServer(const std::string& address, std::uint16_t port, SmtpScript script);
  explicit SmtpServer(SmtpScript script = {}) : SmtpServer("127.0.0.1", 0, std::move(script)) {}
  ~SmtpServer();
  SmtpServer(const SmtpServer&) = delete;
  SmtpServer& operator=(const SmtpServer&) = delete;

  std::uint16_t port() const { return port_; }
  // What happened on each connection so far; waits a moment for one that has not been closed yet.
  std::vector<SmtpSession> sessions() const;
  // From which address each connection came.
  std::vector<std::string> peers() const;

 private:
  void serve();
  void converse(int fd);

  SmtpScript script_;
  std::uint16_t port_ = 0;
  Fd listen_;
  mutable std::mutex mutex_;
  std::vector<SmtpSession> sessions_;
  std::vector<std::string> peers_;
  bool busy_ = false;
  ServerThread thread_;
};

// A port that accepts no more connections and answers none: connecting to it times out.
class DeafPort {
 public:
  explicit DeafPort(const std::string& address, std::uint16_t port = 0);
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
  Fd listen_;
  std::vector<Fd> waiting_;
};

}  // namespace hato::test

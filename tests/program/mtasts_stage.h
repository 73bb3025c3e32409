// For program tests of MTA-STS: qmail-mtastsd in a home of its own, with name servers and a web server for
// the domain wild.test, whose policies tests/certificates.h has a certificate for.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "remote/sts_question.h"
#include "tests/certificates.h"
#include "tests/program/dns_server.h"
#include "tests/program/https_server.h"
#include "tests/program/private_home.h"
#include "tests/program/process.h"

namespace hato::test {

inline const std::string sts_domain = "wild.test";

inline std::string sts_policy_text(const std::string& mode, const std::string& mx, long max_age = 604800) {
  return "version: STSv1\nmode: " + mode + "\nmx: " + mx + "\nmax_age: " + std::to_string(max_age) + "\n";
}

// Makes the daemon's place in a home that is there, and starts it.
class Mtastsd {
 public:
  explicit Mtastsd(const PrivateHome& home) : home_(home) {
    const auto user = passwd_user(conf::user_qmailr);
    for (const char* below : {"mtasts", "mtasts/cache"}) {
      mkdir(home.path(below).c_str(), 0750);
      [[maybe_unused]] const int done = chown(home.path(below).c_str(), user->uid, user->gid);
    }
    home.write("control/tlsca", certificates::root);
    start();
  }

  void start() {
    stop();
    FdPair lifeline = make_pipe();
    const Fd log = open_file(log_path(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    process_ = std::make_unique<Process>(Start{{std::string(conf::home) + "/bin/qmail-mtastsd"},
                                               {},
                                               {{0, lifeline.first.get()}, {1, log.get()}, {2, log.get()}}});
    lifeline_ = std::move(lifeline.second);
    eventually([&] { return listens(); });
  }
  // The exit code; by the end of the lifeline.
  int stop() {
    lifeline_.reset();
    const int code = process_ ? process_->wait() : 0;
    process_.reset();
    return code;
  }
  Process& process() { return *process_; }
  std::string log() const { return slurp(log_path()); }
  bool logged(const std::string& text) const {
    return eventually([&] { return log().find(text) != std::string::npos; });
  }
  // Its answer; mode none also when there was none.
  static StsPolicy ask(const std::string& domain = sts_domain) {
    return StsQuestion::connect(sts_socket_path()).ask(domain);
  }
  std::string cache_file(const std::string& domain = sts_domain) const {
    return slurp(home_.path("mtasts/cache/" + domain));
  }
  // As if it had been fetched so long ago.
  void put_in_cache(const std::string& id, long seconds_ago, const std::string& policy) const {
    home_.write("mtasts/cache/" + sts_domain,
                "hato-mtasts 1 " + id + " " + std::to_string(now_seconds() - seconds_ago) + "\n" + policy,
                0600);
    const auto user = passwd_user(conf::user_qmailr);
    [[maybe_unused]] const int done =
        chown(home_.path("mtasts/cache/" + sts_domain).c_str(), user->uid, user->gid);
  }

 private:
  static bool listens() {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    sts_socket_path().copy(address.sun_path, sizeof address.sun_path - 1);
    return connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  std::string log_path() const { return home_.path("log"); }

  const PrivateHome& home_;
  Fd lifeline_;
  std::unique_ptr<Process> process_;
};

}  // namespace hato::test

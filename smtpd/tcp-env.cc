// tcp-env: finds out about the TCP connection on descriptor 0, tells it in the environment and runs a
// program.
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/mail/domain.h"
#include "lib/net/dns.h"
#include "smtpd/ident.h"

using namespace hato;

namespace {

struct Options {
  bool ask_info = true;
  std::int64_t info_seconds = 30;
  std::vector<std::string> program;
};

Options read_options(int argc, char** argv) {
  Options options;
  for (int opt; (opt = getopt(argc, argv, "+rRt:")) != -1;) {
    if (opt == 'r') options.ask_info = true;
    if (opt == 'R') options.ask_info = false;
    if (opt == 't') options.info_seconds = std::max(atoll(optarg), 0LL);
    if (opt == '?') throw TempError("usage: tcp-env [ -rR ] [ -t SECONDS ] program [ arg ... ]");
  }
  options.program.assign(argv + optind, argv + argc);
  if (options.program.empty()) throw TempError("usage: tcp-env [ -rR ] [ -t SECONDS ] program [ arg ... ]");
  return options;
}

template <typename Name>
Endpoint end_of_connection(Name name) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (name(0, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    throw_errno("descriptor 0 is no TCP connection");
  const std::optional<Endpoint> end = endpoint_of(storage);
  if (!end) throw TempError("descriptor 0 is no TCP connection");
  return *end;
}

// One side of the connection: TCPREMOTEIP and so on. An IPv6 connection has the same variables with TCP6,
// too.
class Side {
 public:
  Side(std::string name, bool six) : name_(std::move(name)), six_(six) {}
  void set(const char* what, const std::string& value) const {
    set_env(("TCP" + name_ + what).c_str(), value);
    if (six_) set_env(("TCP6" + name_ + what).c_str(), value);
  }
  void unset(const char* what) const {
    unset_env(("TCP" + name_ + what).c_str());
    unset_env(("TCP6" + name_ + what).c_str());
  }
  void set_address(const Endpoint& end, const Resolver& resolver) const {
    set("IP", end.address.text());
    set("PORT", std::to_string(end.port));
    const DnsAnswer<std::string> host = resolver.ptr(end.address);
    if (host.found())
      set("HOST", to_lower_ascii(host.records[0]));
    else if (host.status == DnsStatus::temporary)
      set("HOST", "softdnserror");
    else
      unset("HOST");
  }

 private:
  std::string name_;
  bool six_;
};

void set_environment(const Options& options) {
  const Endpoint local = end_of_connection(getsockname);
  const Endpoint remote = end_of_connection(getpeername);
  const bool six = !remote.address.is_v4();
  const Resolver resolver(ResolverConfig::configured(Control()));
  set_env("PROTO", six ? "TCP6" : "TCP");
  Side("LOCAL", six).set_address(local, resolver);
  const Side remote_side("REMOTE", six);
  remote_side.set_address(remote, resolver);
  remote_side.unset("INFO");
  if (!options.ask_info) return;
  if (const auto info = smtpd::ask_ident(remote, local, Deadline::in_seconds(options.info_seconds)))
    remote_side.set("INFO", *info);
}

int tcp_env_body(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  const std::string protocol = env_or("PROTO", "");
  if (protocol != "TCP" && protocol != "TCP6") {
    ignore_sigpipe();  // the ident connection
    set_environment(options);
    default_signals();
  }
  exec_program(options.program);
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("tcp-env", argc, argv, tcp_env_body);
}

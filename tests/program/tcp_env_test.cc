// tcp-env as an executable, on connections of its own.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;

namespace {

// tcp-env and env(1) on the server side of a loopback connection, as inetd runs them.
Outcome tcp_env(const std::vector<std::string>& args, int family) {
  const Fd listener(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage where{};
  where.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(where).sin6_addr = in6addr_loopback;
  else
    reinterpret_cast<sockaddr_in&>(where).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
  const Fd client(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(client.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
  const Fd server(accept(listener.get(), nullptr, nullptr));
  FdPair out = make_pipe();
  Start start;
  start.args = args;
  start.env = {{"TCPREMOTEINFO", "old"}};
  start.fds = {{0, server.get()}, {1, out.second.get()}, {2, out.second.get()}};
  Process process(start);
  out.second.reset();
  Outcome outcome;
  outcome.out = read_to_end(out.first.get());
  outcome.code = process.wait();
  return outcome;
}

}  // namespace

TEST_CASE("tcp-env: tells of the connection on descriptor 0", "[smtpd]") {
  // Nobody answers: a look-up that fails for now is "softdnserror", as qmail's tcp-env has it.
  const ControlFiles controls(Controls{{"resolver", "127.0.0.1:1\n"}, {"timeoutdns", "1\n"}});
  const Outcome four = tcp_env({installed("tcp-env"), "-R", "env"}, AF_INET);
  CAPTURE(four.out);
  CHECK(four.code == 0);
  for (const char* part :
       {"PROTO=TCP\n", "TCPLOCALIP=127.0.0.1\n", "TCPREMOTEIP=127.0.0.1\n",
        "TCPREMOTEPORT=", "TCPLOCALPORT=", "TCPREMOTEHOST=softdnserror\n", "TCPLOCALHOST=softdnserror\n"})
    CHECK(has(four.out, part));
  CHECK_FALSE(has(four.out, "TCPREMOTEINFO"));
  CHECK_FALSE(has(four.out, "TCP6"));
  // -r: nobody answers on port 113 here
  const Outcome six = tcp_env({installed("tcp-env"), "-t2", "env"}, AF_INET6);
  CAPTURE(six.out);
  for (const char* part :
       {"PROTO=TCP6\n", "TCPREMOTEIP=::1\n", "TCP6REMOTEIP=::1\n", "TCP6LOCALIP=::1\n", "TCP6LOCALPORT="})
    CHECK(has(six.out, part));
  CHECK_FALSE(has(six.out, "TCPREMOTEINFO"));
}

TEST_CASE("tcp-env: leaves alone what is told already, and refuses what is no connection", "[smtpd]") {
  const ControlFiles controls(Controls{{"resolver", "127.0.0.1:1\n"}, {"timeoutdns", "1\n"}});
  Start start;
  start.args = {installed("tcp-env"), "-R", "/usr/bin/env"};
  CHECK(run(start).code == 111);  // a pipe
  start.env = {{"PROTO", "TCP"}, {"TCPREMOTEIP", "1.2.3.4"}};
  const Outcome told = run(start);
  CHECK(told.code == 0);
  CHECK(has(told.out, "TCPREMOTEIP=1.2.3.4\n"));
  start.env = {{"TCPREMOTEINFO", "old"}};
  start.args = {installed("tcp-env")};
  CHECK(run(start).code == 111);  // no program
}

// For program tests of qmail-remote: a home with it, a DNS server, short timeouts; what it reports.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/program/delivery_reports.h"
#include "tests/program/dns_server.h"
#include "tests/program/private_home.h"
#include "tests/program/smtp_server.h"

namespace hato::test {

inline const std::string plain_message = "Subject: test\n\nHello.\n";

struct Remote {
  PrivateHome home{"qmail-remote", "qmail-mtastsd", "qmail-tcpto", "qmail-tcpok"};
  DnsServer dns;
  const std::string program = std::string(conf::home) + "/bin/qmail-remote";

  Remote() {
    home.write("control/me", "client.test\n");
    home.write("control/resolver", dns.control_line() + "\n");
    home.write("control/timeoutconnect", "1\n");
    home.write("control/timeoutremote", "2\n");
    home.write("control/timeoutdns", "1\n");
    mkdir(home.path("queue/lock").c_str(), 0755);
    home.write("queue/lock/tcpto", "");
    const auto user = passwd_user(conf::user_qmailr);
    REQUIRE(user);
    REQUIRE(chown(home.path("queue/lock/tcpto").c_str(), user->uid, user->gid) == 0);
  }
  void route(const std::string& line) const { home.write("control/smtproutes", line + "\n"); }
  // Everything by MX, but on the port of these servers.
  void by_mx(std::uint16_t port) const { route("::" + std::to_string(port)); }
  void relay(const SmtpServer& server) const { route(":127.0.0.1:" + std::to_string(server.port())); }

  Reports send(const std::string& host, const std::string& sender, const std::vector<std::string>& recipients,
               const std::string& message = plain_message) const {
    std::vector<std::string> args{program, host, sender};
    args.insert(args.end(), recipients.begin(), recipients.end());
    return reports(test::run(args, message));
  }
  Reports send_to(const std::string& host) const { return send(host, "from@client.test", {"to@" + host}); }
  static Reports reports(const Result& result) {
    CHECK(result.code == 0);  // qmail-remote(8): always
    CHECK(result.err.empty());
    return reports_in(result.out);
  }
};

// lines: why, for each address.
inline std::string no_connection(const std::string& lines) {
  return "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n" + lines;
}

// The plain script, but for what `change` does to it.
template <typename Change>
SmtpScript altered(Change change) {
  SmtpScript script;
  change(script);
  return script;
}

inline bool starts(const std::string& text, const std::string& with) {
  return text.substr(0, with.size()) == with;
}

}  // namespace hato::test

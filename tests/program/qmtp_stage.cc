#include "tests/program/qmtp_stage.h"

#include <cstdio>

#include "lib/mail/netstring.h"

namespace hato::test {

namespace {

std::string nets(const Strings& strings) {
  std::string out;
  for (const std::string& string : strings) append_netstring(out, string);
  return out;
}

}  // namespace

std::string net(std::string_view string) {
  std::string out;
  append_netstring(out, string);
  return out;
}

std::string qmtp(const std::string& encoded, const std::string& sender, const Strings& recipients) {
  return net(encoded) + net(sender) + net(nets(recipients));
}

std::string qmqp(const std::string& message, const std::string& sender, const Strings& recipients) {
  return net(net(message) + net(sender) + nets(recipients));
}

Strings responses(std::string_view out) {
  Strings all;
  while (!out.empty()) {
    std::string_view one;
    if (take_netstring(out, one, 1000) != NetstringTake::complete) {
      all.push_back("!" + std::string(out));
      break;
    }
    std::string text(one);
    long time = 0, qp = 0;
    char rest = 0;
    if (sscanf(text.c_str(), "Kok %ld qp %ld%c", &time, &qp, &rest) == 2 && time > 1'700'000'000 && qp > 1)
      text = "K";
    all.push_back(text);
  }
  return all;
}

}  // namespace hato::test

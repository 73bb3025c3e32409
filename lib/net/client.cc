#include "lib/net/client.h"

#include "lib/base/env.h"
#include "lib/mail/domain.h"
#include "lib/net/submit.h"

namespace hato {

namespace {

bool is_six() {
  return env_or("PROTO", "") == "TCP6";
}

// qmail's variable, or ucspi-tcp6's of the same name with TCP6, which goes before it when PROTO says TCP6.
std::optional<std::string> connection_variable(const char* name) {
  const bool six = is_six();
  const std::string other = std::string("TCP6") + (name + 3);
  std::optional<std::string> value = env(six ? other.c_str() : name);
  return value ? value : env(six ? name : other.c_str());
}

std::string plain_ip(std::string ip) {
  if (equal_ignoring_case(std::string_view(ip).substr(0, 7), "::ffff:") && ip.find('.') != std::string::npos)
    ip.erase(0, 7);
  return ip;
}

}  // namespace

GateOrigin Client::origin() const {
  GateOrigin told;
  told.ip = ip;
  told.host = host;
  told.info = info;
  told.local = local;
  told.script = script;
  return told;
}

Client client_from_environment() {
  Client client;
  if (const auto ip = connection_variable("TCPREMOTEIP")) client.ip = plain_ip(*ip);
  if (const auto host = connection_variable("TCPREMOTEHOST")) client.host = *host;
  if (const auto info = connection_variable("TCPREMOTEINFO")) client.info = *info;
  client.port = connection_variable("TCPREMOTEPORT").value_or("");
  client.local_ip = plain_ip(connection_variable("TCPLOCALIP").value_or(""));
  client.local_port = connection_variable("TCPLOCALPORT").value_or("");
  if (const auto name = connection_variable("TCPLOCALHOST"))
    client.local = *name;
  else if (!client.local_ip.empty())
    client.local = client.local_ip;
  client.relay = env("RELAYCLIENT");
  if (client.info == sendmail_session) client.script = local_origin().script;
  return client;
}

std::optional<IpAddress> local_address_from_environment() {
  const auto text = connection_variable("TCPLOCALIP");
  return text ? IpAddress::parse(plain_ip(*text)) : std::nullopt;
}

}  // namespace hato

// control/smtproutes, control/bindroutes, control/helohosts: first line of the input is the host (or the
// sender), the rest is the file.
#include <cstdint>
#include <cstdlib>

#include "lib/net/smtproutes.h"
#include "remote/bindroutes.h"
#include "remote/outgoing_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t first = input.find('\n');
  const std::string_view host = input.substr(0, first);
  std::string_view rest = first == input.npos ? std::string_view() : input.substr(first + 1);
  std::vector<std::string> lines;
  while (!rest.empty()) {
    const std::size_t lf = rest.find('\n');
    lines.emplace_back(rest.substr(0, lf));
    rest.remove_prefix(lf == rest.npos ? rest.size() : lf + 1);
  }
  if (const auto route = hato::find_smtp_route(lines, host); route && route->problem.empty()) {
    if (route->port == 0 || !route->tls.problem.empty()) std::abort();
    if (route->tls.auth && route->relay.empty()) std::abort();
    if (route->relay.find_first_of(" \t[]") == 0) std::abort();
  }

  const hato::SourceAddresses sources = hato::find_bind_route(lines, host);
  if ((sources.v4 && !sources.v4->is_v4()) || (sources.v6 && sources.v6->is_v4())) std::abort();
  if (sources.given != (sources.v4 || sources.v6)) std::abort();
  for (const std::string& line : lines)
    if (const auto helo = hato::parse_helo_host(line); helo && helo->name.size() + 3 > line.size())
      std::abort();

  // The same bytes as a message: on the wire there is no bare CR or LF, no lone dot, and a line end at the
  // end.
  hato::WireEncoder encoder;
  std::string wire;
  const std::size_t half = size / 2;
  encoder.encode(input.substr(0, half), wire);
  encoder.encode(input.substr(half), wire);
  encoder.finish(wire);
  if (!wire.empty() && !wire.ends_with("\r\n")) std::abort();
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (wire[i] == '\r' && (i + 1 == wire.size() || wire[i + 1] != '\n')) std::abort();
    if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r')) std::abort();
  }
  if (("\r\n" + wire).find("\r\n.\r\n") != std::string::npos) std::abort();
  return 0;
}

#include "smtpd/ident.h"

#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/mail/domain.h"

namespace hato::smtpd {

namespace {

constexpr std::uint16_t ident_port = 113;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// What stands before the separator; `text` keeps what is behind it. nullopt: no separator.
std::optional<std::string_view> take(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end + 1);
  return trimmed(part);
}

}  // namespace

std::optional<std::string> parse_ident_reply(std::string_view line, std::uint16_t remote_port,
                                             std::uint16_t local_port) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (take(line, ',') != std::to_string(remote_port) || take(line, ':') != std::to_string(local_port))
    return std::nullopt;
  const auto kind = take(line, ':');
  const auto system = take(line, ':');
  if (!kind || !system || !equal_ignoring_case(*kind, "USERID")) return std::nullopt;
  std::string user(trimmed(line));
  for (char& c : user)
    if (c < 33 || c > 126) c = '?';
  if (user.empty()) return std::nullopt;
  return user;
}

std::optional<std::string> ask_ident(const Endpoint& remote, const Endpoint& local, Deadline deadline) {
  const TcpConnection connection = connect_tcp(remote.address, ident_port, deadline, &local.address);
  if (!connection.fd) return std::nullopt;
  try {
    Writer writer(connection.fd.get(), "ident");
    writer.until(deadline);
    writer.put(std::to_string(remote.port) + "," + std::to_string(local.port) + "\r\n");
    writer.flush();
    Reader reader(connection.fd.get(), "ident");
    reader.until(deadline);
    std::string line;
    if (reader.read_line(line, max_ident_reply) != Reader::Line::complete) return std::nullopt;
    return parse_ident_reply(line, remote.port, local.port);
  } catch (const TempError&) {
    return std::nullopt;
  }
}

}  // namespace hato::smtpd

// The identification protocol (RFC 1413): whom the remote host holds for the owner of a connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/net/tcp.h"

namespace hato::smtpd {

inline constexpr std::size_t max_ident_reply = 1000;  // octets of the reply line (RFC 1413 section 6)

// The user of "6193, 23 : USERID : UNIX : stjohns"; nullopt for an ERROR, other ports, or anything else.
// Whatever system it names; printable characters only, the rest become '?'. Pure.
std::optional<std::string> parse_ident_reply(std::string_view line, std::uint16_t remote_port,
                                             std::uint16_t local_port);

// Asks port 113 of the remote host, from the connection's own local address. nullopt: no answer in time.
std::optional<std::string> ask_ident(const Endpoint& remote, const Endpoint& local, Deadline deadline);

}  // namespace hato::smtpd

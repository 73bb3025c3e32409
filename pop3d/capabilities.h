// The answer to CAPA (RFC 2449), the same before and after login.
#pragma once

#include <string_view>

namespace hato {

constexpr std::string_view pop3_capabilities =
    "+OK capability list follows\r\n"
    "TOP\r\n"
    "USER\r\n"
    "UIDL\r\n"
    "RESP-CODES\r\n"
    "PIPELINING\r\n"
    "EXPIRE NEVER\r\n"
    "IMPLEMENTATION hato\r\n"
    ".\r\n";

}  // namespace hato

// What a server of QMTP or QMQP says about a message or a recipient: K, Z or D and a sentence for people
// (cr.yp.to/proto/qmtp.txt section 5). The texts are qmail's where qmail has one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/net/gate.h"
#include "qmtp/package.h"

namespace hato::qmtp::answer {

inline constexpr std::string_view rcpthosts =
    "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";
inline constexpr std::string_view bad_recipient = "Dsorry, I can't handle that recipient (#5.1.3)";
inline constexpr std::string_view lookup_failed =
    "Zi cannot check that address just now, please try again later (#4.3.0)";
inline constexpr std::string_view bad_sender = "Dunacceptable sender (#5.1.7)";
inline constexpr std::string_view bad_addresses = "Dsorry, I can't accept addresses like that (#5.1.3)";
inline constexpr std::string_view databytes = "Dsorry, that message size exceeds my databytes limit (#5.3.4)";
inline constexpr std::string_view hops = "Dtoo many hops, this message is looping (#5.4.6)";
inline constexpr std::string_view encoding =
    "Dthat message does not begin with LF or CR to tell how its lines end (#5.6.0)";
inline constexpr std::string_view no_controls = "Zunable to read controls, please try again later (#4.3.0)";
inline constexpr std::string_view no_memory = "Zout of memory, please try again later (#4.3.0)";

// "Kok 838640135 qp 1390"
std::string accepted(std::int64_t now, std::uint32_t qp);
// The queue's refusal: its text without the SMTP code that may stand in it, only printable ASCII.
std::string refused(const GateResult& result);
// Why what came is no package.
std::string_view broken(PackageFault fault);

}  // namespace hato::qmtp::answer

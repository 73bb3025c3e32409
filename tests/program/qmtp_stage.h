// For program tests of QMTP and QMQP: packages as clients send them, and what servers answer.
// Protocols: cr.yp.to/proto/qmtp.txt, cr.yp.to/proto/qmqp.html.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hato::test {

using Strings = std::vector<std::string>;

inline const std::string short_message = "Subject: x\n\nbody\n";

// As a netstring.
std::string net(std::string_view string);
// A package. encoded: with the octet in front that tells the encoding.
std::string qmtp(const std::string& encoded, const std::string& sender, const Strings& recipients);
std::string qmqp(const std::string& message, const std::string& sender, const Strings& recipients);
// The responses, with the numbers of "ok TIME qp PID" taken out; what is no netstring as one with a '!'.
Strings responses(std::string_view out);

}  // namespace hato::test

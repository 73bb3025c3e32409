// One delivery by QMTP on a connection that is there (cr.yp.to/proto/qmtp.txt): one package, and what the
// server answers for each recipient, as reports. Further packages may follow on the same connection; each is
// sent when the one before it was answered.
//
// The message goes out as it is, line ends LF (encoding #2 of section 4), and so do addresses: UTF-8 needs no
// permission. QMTP has no place for what SMTP's parameters say (NOTIFY, ORCPT, RET, ENVID, SMTPUTF8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "remote/connection.h"
#include "remote/report.h"

namespace hato {

// Octets of one answer that are read; of a longer one nothing is believed.
constexpr std::size_t max_qmtp_answer = 32U << 10;

struct QmtpMessage {
  const std::string& sender;                   // raw; empty: the null sender
  const std::vector<std::string>& recipients;  // raw
  int fd;                                      // stands at the message's first byte, and can seek
};

enum class QmtpOutcome {
  // The server went away before it had the last octet and without an answer, so it has thrown the message
  // away
  // (section 2) and another connection may be tried; `failure` is what to say when there is none.
  not_taken,
  reported,  // the report is complete, and the connection of no more use
  answered,  // the report is complete, with an answer for each recipient: another package may follow
};

// An answer K is r, D is h, Z is s; a recipient without an answer is s ("any response not received indicates
// a temporary failure"). Throws only when the message cannot be read.
QmtpOutcome deliver_by_qmtp(Connection& connection, const QmtpMessage& message, std::int64_t timeout_seconds,
                            Report& report, std::string& failure);

}  // namespace hato

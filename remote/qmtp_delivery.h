// One delivery by QMTP on a connection that is there (cr.yp.to/proto/qmtp.txt): one package, and what the
// server answers for each recipient, as reports.
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

// True: the report is complete. False: the server went away before it had the last octet and without an
// answer, so it has thrown the message away (section 2) and another address may be tried; then `failure` is
// what to say when there is none.
//
// An answer K is r, D is h, Z is s; a recipient without an answer is s ("any response not received indicates
// a temporary failure"). Throws only when the message cannot be read.
bool deliver_by_qmtp(Connection& connection, const QmtpMessage& message, std::int64_t timeout_seconds,
                     Report& report, std::string& failure);

}  // namespace hato

// One delivery: tries a host's addresses until one of them has answered for the message, and reports.
//
// The next address is tried after one that cannot be reached, closes, times out, greets with anything but
// 220, does not like our hello, or says 421 or goes away before the message was begun. Any other answer is an
// answer for the message (RFC 5321 sections 3.8 and 5.1). Once content has gone out no other address is
// tried.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/store/tcpto.h"
#include "remote/exchangers.h"
#include "remote/outgoing_message.h"
#include "remote/report.h"
#include "remote/settings.h"
#include "remote/smtp_client.h"

namespace hato {

constexpr std::size_t max_addresses_tried = 20;

struct Envelope {
  std::string sender;                   // raw; empty: the null sender
  std::vector<std::string> recipients;  // raw
  bool smtputf8 = false;                // the message was submitted with SMTPUTF8: its header may be UTF-8
};

// An address with a control character in it, which would be a command of its own; nullopt: all are fine.
std::optional<std::string> unsendable_address(const Envelope& envelope);

class Delivery {
 public:
  Delivery(const RemoteSettings& settings, Tcpto& tcpto, OutgoingMessage& message, const Envelope& envelope)
      : settings_(settings), tcpto_(tcpto), message_(message), envelope_(envelope) {}

  // Reports what became of it. Throws only when the message cannot be read.
  void run(Exchangers& exchangers, Report& report);

 private:
  bool try_target(const Target& target, Report& report);
  bool converse(SmtpClient& client, SmtpTransaction& transaction, const std::string& ip, Report& report);
  bool refused(const SmtpTransaction& transaction) const;
  void report_transaction(const SmtpTransaction& transaction, const std::string& ip, Report& report);
  void report_recipients(const SmtpTransaction& transaction, const std::string& ip, Report& report);

  const RemoteSettings& settings_;
  Tcpto& tcpto_;
  OutgoingMessage& message_;
  const Envelope& envelope_;
  std::string last_failure_;  // of an address that had answered at all
};

}  // namespace hato

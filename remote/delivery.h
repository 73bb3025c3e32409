// One delivery: tries a host's addresses until one of them has answered for the message, and reports.
//
// The next address is tried after one that cannot be reached, closes, times out, greets with anything but
// 220, does not like our hello, has no TLS that is good enough, or says 421 or goes away before the message
// was begun. Any other answer is an answer for the message (RFC 5321 sections 3.8 and 5.1). Once content has
// gone out no other address is tried. A host's IPv6 and IPv4 address race, IPv6 with head_start. Where clear
// text will do, an address whose TLS handshake fails is tried once more without TLS.
//
// A connection that is kept from an earlier message is used first. When it turns out to be gone, or the
// server does not like MAIL on it, before content was begun, nothing has happened and the message goes
// through a new one.
//
// Against the address as a whole (lib/store/tcpto.h) count: a refused or failed connection, a time-out, an
// end or anything but 220 where the greeting should be, and 421 at any time. An answer to MAIL, RCPT, DATA or
// the message counts for this message only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/agent.h"
#include "lib/base/fd.h"
#include "lib/base/ip.h"
#include "lib/store/tcpto.h"
#include "remote/dane.h"
#include "remote/exchangers.h"
#include "remote/outgoing_message.h"
#include "remote/report.h"
#include "remote/session.h"
#include "remote/settings.h"
#include "remote/smtp_client.h"

namespace hato {

constexpr std::size_t max_addresses_tried = 20;
constexpr std::size_t max_addresses_named = 10;       // in the report of a host that could not be reached
constexpr std::chrono::milliseconds head_start{250};  // RFC 8305 section 5: Connection Attempt Delay

struct RemoteEnvelope {
  std::string sender;                   // raw; empty: the null sender
  std::vector<std::string> recipients;  // raw
  bool smtputf8 = false;                // the message was submitted with SMTPUTF8: its header may be UTF-8
  std::string dsn;                      // "RET=… ENVID=…" (lib/mail/dsn.h), or empty
  std::string recipient_dsn;            // "NOTIFY=… ORCPT=…", of each recipient
  bool try_dead = false;                // hosts out of order, too
};

// An address with a control character in it, which would be a command of its own; nullopt: all are fine.
std::optional<std::string> unsendable_address(const RemoteEnvelope& envelope);

class Delivery {
 public:
  // login: null: none. dane: null: nobody asks for TLSA records. keep: the connection may stay open for
  // another message.
  Delivery(const RemoteSettings& settings, const SourceAddresses& sources, const SmtpLogin* login,
           DaneDemands* dane, Tcpto& tcpto, OutgoingMessage& message, const RemoteEnvelope& envelope,
           bool keep)
      : settings_(settings),
        sources_(sources),
        login_(login),
        dane_(dane),
        tcpto_(tcpto),
        message_(message),
        envelope_(envelope),
        keep_(keep) {}

  // Reports what became of it. `kept`: a connection to use first, or null; afterwards the one that stayed
  // open, or null. look_up is asked when a new connection is needed. Throws only when the message cannot be
  // read; then no connection is kept.
  void run(std::unique_ptr<Session>& kept, const std::function<Exchangers()>& look_up, Report& report);

  // What this tells about the host.
  HostSays host() const { return host_; }

 private:
  bool try_all(Exchangers& exchangers, Report& report);
  DaneDemand dane_of(const Target& target);
  bool usable(const Target& target);
  bool allowed_by_policy(const Target& target);
  bool try_targets(Exchangers& exchangers, const Target& first, std::size_t& tried, Report& report);
  bool try_connection(Fd fd, const Target& target, Exchangers& exchangers, Report& report);
  bool try_session(std::unique_ptr<Session> session, bool first, Report& report);
  bool try_package(std::unique_ptr<Session> session, bool first, Report& report);
  bool greet(Session& session);
  bool converse(Session& session, bool first, SmtpTransaction& transaction, Report& report);
  bool make_sendable(const SmtpExtensions& offered, const std::string& ip, Report& report);
  bool refused(const SmtpTransaction& transaction) const;
  void report_transaction(const SmtpTransaction& transaction, const SmtpExtensions& offered,
                          const std::string& ip, Report& report);
  void report_recipients(const SmtpTransaction& transaction, const std::string& ip, Report& report);
  void not_reached(const IpAddress& address, const std::string& why);
  void counts_against_host() { host_failed_ = true; }
  std::uint16_t port() const { return settings_.route ? settings_.route->port : smtp_port; }
  std::string helo_host(int fd) const;

  const RemoteSettings& settings_;
  const SourceAddresses& sources_;
  const SmtpLogin* const login_;
  DaneDemands* const dane_;
  Tcpto& tcpto_;
  OutgoingMessage& message_;
  const RemoteEnvelope& envelope_;
  const bool keep_;
  std::unique_ptr<Session> stays_open_;
  HostSays host_ = HostSays::nothing;
  bool in_trouble_ = false;                 // some address failed as a whole
  std::optional<IpAddress> clear_address_;  // to which clear text is spoken, because TLS failed:
  std::string clear_because_;
  bool clear_wanted_ = false;    // that was just found out
  bool gives_up_ = false;        // no other address is to be tried, though nothing was sent
  bool chunking_ = true;         // false: a server offered CHUNKING and did not know BDAT
  bool chunks_unknown_ = false;  // that was just found out, and the message can go once more
  bool host_failed_ = false;     // the address that we are connected to, as a whole
  std::string last_failure_;     // of an address that had answered at all
  std::string not_reached_;      // one line for each of the others
  std::size_t not_reached_count_ = 0;
};

}  // namespace hato

// What qmail-send(8)'s control files say, read once at the start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/mail/notice_text.h"
#include "lib/mail/router.h"
#include "lib/store/control.h"
#include "qmail-send/host_limits.h"

namespace hato {

struct SendSettings {
  std::size_t concurrency[2] = {10, 20};   // local, remote; 0 puts a channel on hold
  std::size_t concurrency_user = 0;        // local deliveries at a time of one user; 0: see destination.h
  HostLimits concurrency_host, rate_host;  // remote deliveries at a time, and a minute, of one host
  std::int64_t queue_lifetime = 604800;    // seconds; after that a deferral is a failure
  RoutingLines domains;
  std::vector<std::string> percenthack;
  std::string envnoathost;
  std::string bounce_from;       // bouncefrom@bouncehost
  std::string bounce_host;       // bouncehost
  std::string reporter;          // me, else bouncehost: Reporting-MTA of notices
  std::string double_bounce_to;  // doublebounceto@doublebouncehost; "" when doublebounceto has an empty line:
                                 // double bounces are thrown away
  bool qsbmf = false;            // bounceformat: qmail's form of failure notices
  std::uint64_t bounce_bytes = 65536;  // bouncemaxbytes: of an original that goes back whole; 0: any
  NoticeTexts notice_texts;            // bouncelanguage, bouncetext
  // delaynotice, seconds: a message that is so old is reported to a sender who did not say whether he wants
  // that. 0: only to one who did, after default_delay_notice.
  std::int64_t delay_notice = 0;
  std::vector<std::string> complaints;  // lines of control files that mean nothing, for the log
};
constexpr std::int64_t default_delay_notice = 14400;

// No control file can ask for more deliveries at once; what is asked for beyond it counts as this.
constexpr std::int64_t concurrency_ceiling = 100000;
constexpr std::uint32_t rate_ceiling = 1000000;  // a minute

// Throws TempError when a file cannot be read, or when neither locals nor me exists.
SendSettings read_send_settings(const Control& control);
// Limits of one host or user, read at the start and on SIGHUP; throws TempError and changes nothing.
void reread_limits(const Control& control, SendSettings& settings);
// SIGHUP: settings.domains again; throws TempError and changes nothing when they cannot be read.
void reread_domains(const Control& control, SendSettings& settings);

}  // namespace hato

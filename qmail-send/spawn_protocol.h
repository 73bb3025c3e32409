// What qmail-send and its spawners (qmail-lspawn, qmail-rspawn) say to each other over a SOCK_SEQPACKET pair:
// one packet a request, one packet a report. Pure encoding and decoding; no I/O.
//
//   request  u32 delivery number, then five NUL-terminated fields: envelope sender, recipient, trace id,
//            message parameters, recipient parameters; then one byte, + when more mail for the same
//            destination waits and - when not, and one byte, + when a host that is out of order is to be
//            tried, too, else -. One descriptor rides along: the message, positioned at its first byte, to be
//            read to EOF.
//   report   u32 delivery number, then one byte K (done), Z (try later) or D (never), one byte for what it
//            tells about the destination (HostSays, lib/base/agent.h), then text for log and bounce, LF line
//            ends, no NUL.
//
// The number is qmail-send's own, big-endian, any value, unique among deliveries under way; the spawner hands
// it back and reads nothing into it. Reports come in the order in which deliveries end. A spawner always
// takes requests, however many reports wait to be read, so qmail-send may write blocking. When qmail-send
// closes its end, the spawner waits for the children it has and exits; reports nobody can read are dropped.
//
// Parameters are the `params` words of the queue header (SMTPUTF8, BODY, RET, ENVID of the message; NOTIFY,
// ORCPT of the recipient), empty when there are none. The spawners hand them on in the environment, below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/agent.h"

namespace hato {

// A report's text, at most (what a delivery printed beyond this is dropped); and a request, all in all: two
// addresses of 1003 bytes as queued, grown by VERP and virtual domains, and parameters, fit many times over.
constexpr std::size_t delivery_text_limit = 65536;
constexpr std::size_t delivery_request_limit = 32768;
constexpr std::size_t delivery_report_limit = 4 + 1 + 1 + delivery_text_limit;

struct DeliveryRequest {
  std::uint32_t delivery = 0;
  std::string sender;     // may be empty: a bounce
  std::string recipient;  // for qmail-lspawn with a virtual domain's prepend in front
  std::string trace;
  std::string message_params;
  std::string recipient_params;
  bool more = false;      // other mail for the same destination waits
  bool try_dead = false;  // nobody will try again, or somebody asks for it

  bool operator==(const DeliveryRequest&) const = default;
};

struct DeliveryReport {
  std::uint32_t delivery = 0;
  char status = 'Z';  // K, Z or D
  std::string text;
  HostSays host = HostSays::nothing;

  bool operator==(const DeliveryReport&) const = default;
};

// Throws TempError when a field holds a NUL or the whole is larger than the limit: the caller defers.
std::string encode_request(const DeliveryRequest& request);
// A text over the limit is cut off, one with a NUL ends before it; a status that is none of the three is Z.
std::string encode_report(const DeliveryReport& report);

// nullopt: not a packet of this protocol (too short or long, a field missing or left over, a wrong status).
std::optional<DeliveryRequest> decode_request(std::string_view packet);
std::optional<DeliveryReport> decode_report(std::string_view packet);

// The number of a packet that could not be decoded as a whole, so that it can still be answered.
std::optional<std::uint32_t> delivery_number(std::string_view packet);

}  // namespace hato

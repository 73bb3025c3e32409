#include "lib/mail/received.h"

#include <cstring>

#include "lib/mail/date.h"
#include "lib/mail/domain.h"

namespace hato {

namespace {

std::string or_unknown(std::string_view text) {
  return text.empty() ? "unknown" : received_safe(text);
}

std::string id_clause(std::string_view trace) {
  return trace.empty() ? std::string() : " id " + received_safe(trace);
}

}  // namespace

std::string received_safe(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && (c == '\0' || std::strchr(".@%+/=:-[]_", c) == nullptr)) c = '?';
  }
  return out;
}

std::string received_field(const SmtpReceived& received, std::int64_t seconds) {
  const std::string host = or_unknown(received.remote_host);
  std::string out = "Received: from " + host;
  if (received.helo && !equal_ignoring_case(*received.helo, host))
    out += " (HELO " + received_safe(*received.helo) + ")";
  out += " (";
  if (!received.remote_info.empty()) out += received_safe(received.remote_info) + "@";
  out += or_unknown(received.remote_ip) + ")\n  by " + or_unknown(received.local_host) + " with " +
         received_safe(received.protocol) + id_clause(received.trace) + "; " + qmail_date(seconds) + "\n";
  return out;
}

std::string received_field(std::int64_t pid, std::string_view invoker, std::string_view trace,
                           std::int64_t seconds) {
  return "Received: (qmail " + std::to_string(pid) + " invoked " + std::string(invoker) + ")" +
         id_clause(trace) + "; " + qmail_date(seconds) + "\n";
}

std::string invoked_by_uid(std::uint64_t uid) {
  return "by uid " + std::to_string(uid);
}

}  // namespace hato

// What qmail-remote says on descriptor 1, and the words for it (qmail-remote(8), RESULTS).
//
// Reports are NUL-terminated and begin with a letter: r, h, s for a recipient (accepted, refused for good,
// refused for now), then one K, Z or D for the message. Log analysers know qmail's sentences, so they are
// qmail's here.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/net/smtp_reply.h"

namespace hato {

class Report {
 public:
  void recipient(char letter, std::string_view text);  // r, h or s
  // K, Z or D; the last one. end: what comes last of all, behind the line about the connection.
  void message(char letter, std::string_view text, std::string_view end = {});
  // A line about the connection ("TLS: …\n"), put behind every message report from here on; empty: none.
  void about_connection(std::string line) { about_connection_ = std::move(line); }
  // Writes everything with one call; a reader that is gone is nobody to tell.
  void write_to(int fd) const;
  const std::string& bytes() const { return bytes_; }

 private:
  void add(char letter, std::string_view text);
  std::string bytes_;
  std::string about_connection_;
};

// Temporary, with qmail's sentence and then what really happened.
void report_trouble(Report& report, const char* sentence, const Error& e);
// Does the work; what it throws for want of something here becomes a temporary report.
void report_what_fails(Report& report, const std::function<void()>& work);

// "Remote host said: 550-…\n550 …\n", all lines; empty for a reply that never came.
std::string remote_host_said(const SmtpReply& reply);
// Text from outside inside a sentence of ours: what is not printable ASCII becomes '?'.
std::string printable(std::string_view text);

}  // namespace hato

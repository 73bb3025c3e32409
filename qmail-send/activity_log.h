// qmail-send's activity record: the lines of qmail-log(5), word for word what qmail writes, so that
// qmailanalog and its like go on working. What is new stands at the end of a line.
//
// Lines are gathered and leave in one write before the event loop sleeps, at most 4096 bytes (PIPE_BUF) at a
// time and whole lines only, so that lines of other processes on the same pipe never cut into them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/store/queuefile.h"
#include "qmail-send/schedule.h"

namespace hato {

// Text from outside, made safe for one line as qmail does it: a newline becomes '/', blanks, control bytes
// and '%' become '_'. Bytes above 127 stay (UTF-8 addresses). At most `limit` bytes, then "...".
std::string activity_text(std::string_view text, std::size_t limit = 3000);

struct ChannelStatus {
  std::size_t used = 0, limit = 0;
};

class ActivityLog {
 public:
  explicit ActivityLog(int fd) : fd_(fd) {}
  ActivityLog(const ActivityLog&) = delete;
  ActivityLog& operator=(const ActivityLog&) = delete;
  ~ActivityLog() { flush(); }

  void flush();

  void new_message(QueueId id);
  // With a local program's script, where it told of one, before the trace id.
  void info(QueueId id, const QueueHeader& header, const QueuedEnvelope& envelope);
  void starting(std::uint32_t delivery, QueueId id, Channel channel, std::string_view recipient);
  void success(std::uint32_t delivery, std::string_view text);
  void deferral(std::uint32_t delivery, std::string_view text);
  void failure(std::uint32_t delivery, std::string_view text);
  void mangled(std::uint32_t delivery);
  void status(ChannelStatus local, ChannelStatus remote, bool exiting_soon);
  void exiting();
  void back_off(std::string_view host, std::int64_t seconds);
  void bounce(QueueId id, std::uint32_t qp);
  void notice(QueueId id, std::string_view kind, std::uint32_t qp);  // "success" or "delay"
  void end(QueueId id);
  // "warning: TEXT", "alert: TEXT" and lines without such a word. Control bytes are made harmless, blanks
  // stay.
  void warning(std::string_view text);
  void alert(std::string_view text);
  void line(std::string_view text);

 private:
  int fd_;
  std::string waiting_;
};

}  // namespace hato

#include "qmail-send/activity_log.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"

namespace hato {

namespace {
constexpr std::size_t one_write = 4096;  // PIPE_BUF

void write_lines(int fd, std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t n = write(fd, lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // nobody reads: there is nobody to tell
    lines.remove_prefix(static_cast<std::size_t>(n));
  }
}
}  // namespace

std::string activity_text(std::string_view text, std::size_t limit) {
  const bool cut = text.size() > limit;
  std::string safe(text.substr(0, limit));
  for (char& c : safe) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      c = '/';
    else if (byte <= ' ' || c == '%' || byte == 127)
      c = '_';
  }
  if (cut) safe += "...";
  return safe;
}

void ActivityLog::flush() {
  if (waiting_.empty()) return;
  write_lines(fd_, waiting_);
  waiting_.clear();
}

void ActivityLog::line(std::string_view text) {
  const std::string safe = log_safe(text, one_write - 4);
  if (waiting_.size() + safe.size() + 1 > one_write) flush();
  waiting_ += safe;
  waiting_ += '\n';
}

void ActivityLog::new_message(QueueId id) {
  line("new msg " + id.text());
}

void ActivityLog::info(QueueId id, const QueueHeader& header, const QueuedEnvelope& envelope) {
  std::string script;
  for (const auto& [name, value] : envelope.origin)
    if (name == "script" && !value.empty()) script = " script " + activity_text(value);
  line("info msg " + id.text() + ": bytes " + std::to_string(header.message_bytes()) + " from <" +
       activity_text(envelope.sender) + "> qp " + std::to_string(header.qp) + " uid " +
       std::to_string(header.uid) + script + " " + header.trace);
}

void ActivityLog::starting(std::uint32_t delivery, QueueId id, Channel channel, std::string_view recipient) {
  line("starting delivery " + std::to_string(delivery) + ": msg " + id.text() + " to " +
       channel_name(channel) + " " + activity_text(recipient));
}

void ActivityLog::success(std::uint32_t delivery, std::string_view text) {
  line("delivery " + std::to_string(delivery) + ": success: " + activity_text(text));
}

void ActivityLog::deferral(std::uint32_t delivery, std::string_view text) {
  line("delivery " + std::to_string(delivery) + ": deferral: " + activity_text(text));
}

void ActivityLog::failure(std::uint32_t delivery, std::string_view text) {
  line("delivery " + std::to_string(delivery) + ": failure: " + activity_text(text));
}

void ActivityLog::mangled(std::uint32_t delivery) {
  line("delivery " + std::to_string(delivery) + ": report mangled, will defer");
}

void ActivityLog::status(ChannelStatus local, ChannelStatus remote, bool exiting_soon) {
  std::string text = "status: local " + std::to_string(local.used) + "/" + std::to_string(local.limit) +
                     " remote " + std::to_string(remote.used) + "/" + std::to_string(remote.limit);
  if (exiting_soon) text += " exitasap";
  line(text);
}

void ActivityLog::back_off(std::string_view host, std::int64_t seconds) {
  line("backoff host " + activity_text(host) + ": not tried for " + std::to_string(seconds) + " seconds");
}

void ActivityLog::exiting() {
  line("status: exiting");
}

void ActivityLog::bounce(QueueId id, std::uint32_t qp) {
  line("bounce msg " + id.text() + " qp " + std::to_string(qp));
}

void ActivityLog::notice(QueueId id, std::string_view kind, std::uint32_t qp) {
  line("notice msg " + id.text() + " of " + std::string(kind) + " qp " + std::to_string(qp));
}

void ActivityLog::end(QueueId id) {
  line("end msg " + id.text());
}

void ActivityLog::warning(std::string_view text) {
  line("warning: " + std::string(text));
}

void ActivityLog::alert(std::string_view text) {
  line("alert: " + std::string(text));
}

}  // namespace hato

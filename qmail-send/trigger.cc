#include "qmail-send/trigger.h"

#include <fcntl.h>
#include <unistd.h>

namespace hato {

namespace {
constexpr std::size_t fifo_size = 65536;            // Linux' default for a pipe
constexpr std::size_t nearly_full = fifo_size / 2;  // small writes may each take more room than their bytes
constexpr std::size_t line_limit = 20;              // 19 digits and the newline
}  // namespace

Trigger::Trigger(const std::string& path) : fd_(open_file(path, O_RDWR | O_NONBLOCK)) {}

std::vector<QueueId> take_ids(std::string& text) {
  std::vector<QueueId> ids;
  std::string_view rest = text;
  for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1))
    if (const std::optional<QueueId> id = QueueId::parse(rest.substr(0, end))) ids.push_back(*id);
  text = rest.size() < line_limit ? std::string(rest) : std::string();
  return ids;
}

Trigger::Pulled Trigger::drain() {
  static char space[fifo_size];
  const ssize_t n = read(fd_.get(), space, sizeof space);
  Pulled pulled;
  if (n <= 0) return pulled;
  partial_.append(space, static_cast<std::size_t>(n));
  pulled.rescan = static_cast<std::size_t>(n) >= nearly_full || partial_.starts_with('\n') ||
                  partial_.find("\n\n") != std::string::npos;
  pulled.ids = take_ids(partial_);
  return pulled;
}

}  // namespace hato

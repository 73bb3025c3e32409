#include "lib/net/queue_list.h"

#include "lib/base/conf.h"
#include "lib/base/log.h"

namespace hato {

std::string list_socket_path() {
  return std::string(conf::home) + "/gate/list/s";
}

std::string encode_list_end(std::string_view why) {
  return std::string(1, '\0') + log_safe(why, list_reason_limit - 3);
}

std::string_view QueueList::take(std::string_view piece) {
  std::string_view text;
  if (!ended_) {
    const std::size_t end = piece.find('\0');
    text = piece.substr(0, end);
    if (end == std::string_view::npos) return text;
    ended_ = true;
    piece.remove_prefix(end + 1);
  }
  why_ += piece.substr(0, list_reason_limit - why_.size());
  return text;
}

std::string QueueList::why() const {
  return ended_ ? log_safe(why_, list_reason_limit) : "the list broke off";
}

}  // namespace hato

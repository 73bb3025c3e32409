#include "lib/net/send_channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"

namespace hato {

std::string send_socket_path() {
  return std::string(conf::home) + "/gate/send/s";
}

bool SendChannel::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  errno = ENAMETOOLONG;
  if (path.size() >= sizeof address.sun_path) return false;
  path.copy(address.sun_path, path.size());
  socket_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_) return false;
  int result;
  do result = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

std::vector<SendAnswer> SendChannel::ask(const std::vector<SendRequest>& requests, std::int64_t seconds) {
  std::vector<SendAnswer> answers;
  answers.reserve(requests.size());
  for (auto next = requests.begin(); next != requests.end();) {
    std::string packet;
    std::size_t lines = 0;
    for (; next != requests.end() && lines < request_batch_limit; ++next, ++lines) {
      const std::string line = encode_request(*next);
      if (packet.size() + line.size() > request_packet_limit) break;
      packet += line;
    }
    if (lines == 0) throw TempError("a request is too long");
    if (!send_message(socket_.get(), packet)) throw TempError("qmail-send has hung up");
    if (!wait_readable(socket_.get(), Deadline::in_seconds(seconds)))
      throw TimeoutError("qmail-send does not answer");
    const std::optional<Message> answer = receive_message(socket_.get(), answer_packet_limit);
    if (!answer || answer->data.empty()) throw TempError("qmail-send has hung up");
    const auto answered = packet_lines(answer->data);
    if (!answered || answered->size() != lines) throw TempError("qmail-send's answer makes no sense");
    for (const std::string_view line : *answered) {
      std::optional<SendAnswer> one = decode_answer_line(line);
      if (!one) throw TempError("qmail-send's answer makes no sense");
      answers.push_back(std::move(*one));
    }
  }
  return answers;
}

}  // namespace hato

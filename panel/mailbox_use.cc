#include "panel/mailbox_use.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"

namespace hato::panel {

namespace {

constexpr std::int64_t answer_seconds = 3;
constexpr std::size_t answer_limit = 4096;

std::optional<Fd> connected_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::nullopt;
  return fd;
}

unsigned share(std::uint64_t part, std::uint64_t whole) {
  if (part >= whole) return 100;
  return static_cast<unsigned>(static_cast<double>(part) * 100 / static_cast<double>(whole));
}

}  // namespace

std::optional<unsigned> MailboxUse::percent() const {
  if (quota_bytes == 0 && quota_messages == 0) return std::nullopt;
  unsigned most = 0;
  if (quota_bytes != 0) most = share(bytes, quota_bytes);
  if (quota_messages != 0) most = std::max(most, share(messages, quota_messages));
  return most;
}

std::optional<MailboxUse> parse_mailbox_use(std::string_view answer) {
  MailboxUse use;
  bool bytes = false, messages = false;
  for (;;) {
    const std::size_t end = answer.find('\n');
    if (end == answer.npos) return std::nullopt;
    const std::string_view line = answer.substr(0, end);
    answer.remove_prefix(end + 1);
    if (line.empty()) break;
    const std::size_t equals = line.find('=');
    if (equals == line.npos) return std::nullopt;
    const std::string_view name = line.substr(0, equals), digits = line.substr(equals + 1);
    std::uint64_t number = 0;
    const auto [stopped, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (problem != std::errc() || stopped != digits.data() + digits.size()) return std::nullopt;
    if (name == "bytes") use.bytes = number, bytes = true;
    if (name == "messages") use.messages = number, messages = true;
    if (name == "quota_bytes") use.quota_bytes = number;
    if (name == "quota_messages") use.quota_messages = number;
  }
  if (!bytes || !messages) return std::nullopt;
  return use;
}

std::optional<MailboxUse> mailbox_use(const std::string& login) {
  try {
    const std::optional<Fd> fd = connected_to(std::string(conf::home) + "/gate/policy/rcptd");
    if (!fd) return std::nullopt;
    const Deadline deadline = Deadline::in_seconds(answer_seconds);
    Writer writer(fd->get(), "qmail-rcptd");
    writer.until(deadline);
    writer.put("request=mailbox_use\naccount=" + login + "\n\n");
    writer.flush();
    Reader reader(fd->get(), "qmail-rcptd");
    reader.until(deadline);
    std::string answer;
    while (answer != "\n" && !answer.ends_with("\n\n")) {
      const std::string_view piece = reader.peek();
      if (piece.empty() || answer.size() + piece.size() > answer_limit) return std::nullopt;
      answer += piece;
      reader.consume(piece.size());
    }
    return parse_mailbox_use(answer);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace hato::panel

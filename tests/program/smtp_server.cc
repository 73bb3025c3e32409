#include "tests/program/smtp_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace hato::test {

namespace {

struct Listener {
  Fd fd;
  std::uint16_t port;
};

Listener listen_on(const std::string& address, std::uint16_t port, int backlog) {
  const SocketAddress at = socket_address(*IpAddress::parse(address), port);
  Fd fd(socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (port != 0) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), at.get(), at.length) != 0 || listen(fd.get(), backlog) != 0)
    throw_errno("listen on " + address);
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  return {std::move(fd), endpoint_of(storage)->port};
}

// Lines as they come, and whether one is waiting already.
class Lines {
 public:
  Lines(int fd, int stop) : fd_(fd), stop_(stop) {}
  std::optional<std::string> next() {  // with its line end
    for (;;) {
      const std::size_t lf = have_.find('\n');
      if (lf != have_.npos) {
        std::string line = have_.substr(0, lf + 1);
        have_.erase(0, lf + 1);
        return line;
      }
      pollfd fds[2] = {{fd_, POLLIN, 0}, {stop_, POLLIN, 0}};
      if (poll(fds, 2, 20000) <= 0 || fds[1].revents != 0) return std::nullopt;
      char space[65536];
      const ssize_t n = recv(fd_, space, sizeof space, 0);
      if (n <= 0) return std::nullopt;
      have_.append(space, static_cast<std::size_t>(n));
    }
  }
  bool waiting() const { return !have_.empty(); }
  // So many bytes; fewer at the end.
  std::string take(std::size_t n) {
    while (have_.size() < n) {
      pollfd fds[2] = {{fd_, POLLIN, 0}, {stop_, POLLIN, 0}};
      char space[65536];
      if (poll(fds, 2, 20000) <= 0 || fds[1].revents != 0) break;
      const ssize_t got = recv(fd_, space, sizeof space, 0);
      if (got <= 0) break;
      have_.append(space, static_cast<std::size_t>(got));
    }
    std::string bytes = have_.substr(0, n);
    have_.erase(0, bytes.size());
    return bytes;
  }

 private:
  int fd_, stop_;
  std::string have_;
};

std::string wire(const std::string& reply) {
  std::string out;
  for (const char c : reply) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out + "\r\n";
}

}  // namespace

SmtpServer::SmtpServer(const std::string& address, std::uint16_t port, SmtpScript script)
    : script_(std::move(script)) {
  Listener listener = listen_on(address, port, 10);
  listen_ = std::move(listener.fd);
  port_ = listener.port;
  thread_.start([this] { serve(); });
}

SmtpServer::~SmtpServer() {
  thread_.end();
}

std::vector<SmtpSession> SmtpServer::sessions() const {
  for (int tries = 0; tries < 200; ++tries) {
    {
      const std::lock_guard lock(mutex_);
      if (!busy_ || script_.silent) return sessions_;
    }
    usleep(10 * 1000);
  }
  const std::lock_guard lock(mutex_);
  return sessions_;
}

std::vector<std::string> SmtpServer::peers() const {
  const std::lock_guard lock(mutex_);
  return peers_;
}

void SmtpServer::serve() {
  for (;;) {
    pollfd fds[2] = {{listen_.get(), POLLIN, 0}, {thread_.stopped(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    {
      const std::lock_guard lock(mutex_);
      busy_ = true;
      sessions_.emplace_back();
    }
    {
      sockaddr_storage peer{};
      socklen_t size = sizeof peer;
      const Fd client(accept4(listen_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
      if (client) {
        const std::lock_guard lock(mutex_);
        peers_.push_back(endpoint_of(peer)->address.text());
      }
      if (script_.reset) {
        const linger now{1, 0};
        setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
      } else if (client) {
        converse(client.get());
      }
    }
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
}

void SmtpServer::converse(int fd) {
  Lines lines(fd, thread_.stopped());
  SmtpSession session;
  const auto publish = [&] {
    const std::lock_guard lock(mutex_);
    sessions_.back() = session;
  };
  std::unique_ptr<TlsRelay> tls;
  const auto start_tls = [&] {
    tls = std::make_unique<TlsRelay>(fd, thread_.stopped(), script_.tls);
    session.commands.push_back(tls->up() ? "(TLS " + tls->server_name() + ")" : "(TLS failed)");
    publish();
    if (!tls->up()) return false;
    fd = tls->clear();
    lines = Lines(fd, thread_.stopped());
    return true;
  };
  const auto say = [&](const std::string& reply, const std::string& behind = "") {
    publish();
    if (reply.empty()) return false;
    const std::string text = wire(reply) + behind;
    return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  };
  if (script_.silent) {
    lines.next();
    return;
  }
  if (script_.tls_on_connect && !start_tls()) return;
  if (!say(script_.greeting)) return;
  std::string chunks;
  while (const std::optional<std::string> line = lines.next()) {
    const std::string command = line->substr(0, line->find_last_not_of("\r\n") + 1);
    session.commands.push_back(command);
    if (lines.waiting()) session.early_commands = true;
    std::string reply = "250 ok";
    if (command.starts_with("BDAT ")) {  // RFC 3030
      chunks += lines.take(std::stoul(command.substr(5)));
      if (command.ends_with(" LAST")) {
        session.messages.push_back(std::exchange(chunks, ""));
        reply = script_.message;
      }
    }
    if (command.starts_with("EHLO"))
      reply = tls && !script_.ehlo_in_tls.empty() ? script_.ehlo_in_tls : script_.ehlo;
    const bool starttls = command == "STARTTLS" && !script_.tls.chain.empty();
    if (starttls) reply = "220 2.0.0 go ahead";
    if (command == "DATA") reply = "354 go ahead";
    if (command == "QUIT") reply = "221 bye";
    std::size_t longest = 0;
    for (const auto& [start, scripted] : script_.replies)
      if (command.starts_with(start) && start.size() >= longest) reply = scripted, longest = start.size();
    if (script_.most_messages > 0 && session.messages.size() >= script_.most_messages &&
        command.starts_with("MAIL"))
      reply = script_.too_many;
    if (!say(reply, starttls ? script_.behind_starttls : "")) return;
    if (starttls && reply.starts_with("220") && !start_tls()) return;
    if (reply.starts_with("421") || command == "QUIT") return;
    if (command != "DATA" || !reply.starts_with("354")) continue;
    std::string message;
    for (;;) {
      const std::optional<std::string> content = lines.next();
      if (!content) {
        session.messages.push_back(message + "(broken off)");
        publish();
        return;
      }
      if (*content == ".\r\n") break;
      if (!content->ends_with("\r\n") || content->find('\r') != content->size() - 2)
        session.bare_cr_or_lf = true;
      message += *content;
      if (script_.early_quit_in_data) {
        say(script_.message);
        return;
      }
    }
    session.messages.push_back(message);
    if (!say(script_.message)) return;
  }
  publish();
}

DeafPort::DeafPort(const std::string& address, std::uint16_t port) {
  Listener listener = listen_on(address, port, 0);
  listen_ = std::move(listener.fd);
  port_ = listener.port;
  // Fill the queue of connections that nobody accepts; the kernel then drops what more comes.
  for (int i = 0; i < 4; ++i) {
    TcpConnection tcp =
        connect_tcp(*IpAddress::parse(address), port_, Deadline::in(std::chrono::milliseconds(200)));
    if (!tcp.fd) break;
    waiting_.push_back(std::move(tcp.fd));
  }
}

}  // namespace hato::test

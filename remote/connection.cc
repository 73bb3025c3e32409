#include "remote/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "lib/base/io.h"

namespace hato {

namespace {

constexpr std::size_t read_size = 4096;

using Why = ConnectionLost::Why;

// What TLS throws is, once the handshake is over, the end of a connection like any other.
template <typename Step>
auto under_tls(Step step) {
  try {
    return step();
  } catch (const TimeoutError&) {
    throw ConnectionLost(Why::timed_out, "timed out");
  } catch (const TlsError& e) {
    throw ConnectionLost(Why::closed, "TLS: " + e.text());
  } catch (const SystemError& e) {
    throw ConnectionLost(Why::closed, errno_text(e.error()));
  }
}

}  // namespace

Connection::Connection(Fd fd, const Endpoint& peer, std::int64_t timeout_seconds)
    : fd_(std::move(fd)), peer_(peer), timeout_seconds_(timeout_seconds) {}

Connection::~Connection() {
  if (tls_ && fd_) tls_->close();
}

void Connection::start_tls(const TlsClientSettings& settings, Deadline deadline) {
  if (!in_.empty()) throw TlsError("it said something in clear text behind its answer to STARTTLS");
  tls_ = std::make_unique<TlsClient>(fd_.get(), settings);
  tls_->handshake(deadline);
}

void Connection::put_secret(std::string_view start, std::string_view secret) {
  out_.reserve(out_.size() + start.size() + secret.size() + 2);  // growing would leave a copy behind
  out_.append(start).append(secret).append("\r\n");
}

std::size_t Connection::transport_write(std::string_view data, Deadline deadline) {
  if (tls_) return under_tls([&] { return tls_->write(data, deadline); });
  for (;;) {
    const ssize_t n = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EAGAIN && errno != EINTR) throw ConnectionLost(Why::closed, errno_text(errno));
    if (!wait_writable(fd_.get(), deadline)) throw ConnectionLost(Why::timed_out, "timed out");
  }
}

std::size_t Connection::transport_read(char* space, std::size_t size, Deadline deadline) {
  if (tls_) return under_tls([&] { return tls_->read(space, size, deadline); });
  for (;;) {
    // Replies take a while: asking first and waiting then would mostly be one call more.
    if (!wait_readable(fd_.get(), deadline)) throw ConnectionLost(Why::timed_out, "timed out");
    const ssize_t n = recv(fd_.get(), space, size, 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EAGAIN && errno != EINTR) throw ConnectionLost(Why::closed, errno_text(errno));
  }
}

void Connection::flush() {
  std::string_view rest = out_;
  while (!rest.empty()) rest.remove_prefix(transport_write(rest, Deadline::in_seconds(timeout_seconds_)));
  if (tls_ && !out_.empty()) under_tls([&] { tls_->flush(Deadline::in_seconds(timeout_seconds_)); });
  out_.clear();
}

SmtpReply Connection::receive(Deadline deadline) {
  SmtpReplyParser parser;
  for (;;) {
    in_.erase(0, parser.feed(in_));
    if (parser.state() == SmtpReplyParser::State::done) return parser.reply();
    if (parser.state() == SmtpReplyParser::State::malformed)
      throw ConnectionLost(Why::protocol, "what it says is not SMTP: " + parser.reply().text.substr(0, 200));
    char space[read_size];
    const std::size_t n = transport_read(space, sizeof space, deadline);
    if (n == 0) throw ConnectionLost(Why::closed, "closed by the other side");
    in_.assign(space, n);
  }
}

SmtpReply Connection::read_reply() {
  flush();
  return receive(Deadline::in_seconds(timeout_seconds_));
}

std::string Connection::read_octets(Deadline deadline) {
  if (!in_.empty()) return std::exchange(in_, {});
  std::string octets(read_size, '\0');
  octets.resize(transport_read(octets.data(), octets.size(), deadline));
  if (octets.empty()) throw ConnectionLost(Why::closed, "closed by the other side");
  return octets;
}

bool Connection::quiet() const {
  return in_.empty() && !wait_readable(fd_.get(), Deadline::in_seconds(0));
}

std::optional<SmtpReply> Connection::last_words(std::int64_t seconds) {
  out_.clear();
  try {
    return receive(Deadline::in_seconds(seconds));
  } catch (const ConnectionLost&) {
    return std::nullopt;
  }
}

}  // namespace hato

// qmail-qmqpc: qmail-queue's interface, but the message goes into another host's queue, by QMQP.
// qmail-qmqpc(8).
#include <errno.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/queue_exit.h"
#include "lib/base/seal.h"
#include "lib/mail/envelope.h"
#include "lib/mail/netstring.h"
#include "lib/net/tcp.h"
#include "lib/store/control.h"
#include "lib/store/message_file.h"
#include "lib/store/unnamed_file.h"
#include "qmtp/package.h"

namespace hato {
namespace {

constexpr const char* program_name = "qmail-qmqpc";
constexpr std::uint16_t qmqp_port = 628;
constexpr int message_fd = 0;
constexpr int envelope_fd = 1;
constexpr int connect_seconds = 10;
constexpr int write_seconds = 60;    // for a server to take a piece
constexpr int answer_seconds = 600;  // its content services may take four minutes, its disk the rest
constexpr int session_seconds = 3600;
constexpr int last_words_seconds = 5;
constexpr std::size_t answer_limit = 64U << 10;

// qmail-qmqpc's exit codes beside those of QueueExit; 72 to 74 are other troubles with the same numbers.
constexpr int cannot_read_controls = 55;
constexpr int cannot_make_socket = 56;
constexpr int server_refused = 31;
constexpr int server_deferred = 71;
constexpr int connect_timed_out = 72;
constexpr int connect_failed = 73;
constexpr int connection_lost = 74;

// How it ended, with a D or Z text.
struct Ending {
  int code = 0;
  std::string text{};
};

void complain(const std::string& text) {
  log_line(2, std::string(program_name) + ": " + text);
}

std::vector<Endpoint> read_servers() {
  std::vector<Endpoint> servers;
  const auto lines = Control().lines("qmqpservers");
  if (!lines) complain("control/qmqpservers does not exist");
  for (const std::string& line : lines.value_or(std::vector<std::string>())) {
    if (const std::optional<Endpoint> server = parse_endpoint(line, qmqp_port))
      servers.push_back(*server);
    else
      complain("control/qmqpservers: not an address: " + line);
  }
  return servers;
}

// The envelope as netstrings; `refused` is qmail-queue's exit code for one that is none.
std::string read_envelope(int& refused) {
  EnvelopeParser parser;
  char space[16384];
  while (parser.status() == EnvelopeParser::Status::more && parser.consumed() <= qmtp::max_envelope_octets) {
    const ssize_t n = read(envelope_fd, space, sizeof space);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read envelope");
    if (n == 0) break;
    parser.feed({space, static_cast<std::size_t>(n)});
  }
  switch (parser.status() == EnvelopeParser::Status::more && parser.consumed() <= qmtp::max_envelope_octets
              ? parser.finish()
              : parser.status()) {
    case EnvelopeParser::Status::complete:
      break;
    case EnvelopeParser::Status::more:
      complain("the envelope is larger than 16 MiB");
      refused = static_cast<int>(QueueExit::refused);
      return {};
    case EnvelopeParser::Status::too_long:
      refused = static_cast<int>(QueueExit::address_too_long);
      return {};
    case EnvelopeParser::Status::format:
      refused = static_cast<int>(QueueExit::envelope_format);
      return {};
    case EnvelopeParser::Status::cut_off:
      refused = static_cast<int>(QueueExit::broken_off);
      return {};
  }
  std::string text;
  append_netstring(text, parser.envelope().sender);
  for (const Recipient& recipient : parser.envelope().recipients) append_netstring(text, recipient.address);
  return text;
}

// The server's answer, or nullopt when there is none that can be understood.
std::optional<std::string> read_answer(int fd, Deadline deadline) {
  Reader in(fd, "server");
  in.until(deadline);
  std::string bytes;
  try {
    for (;;) {
      std::string_view rest = bytes, answer;
      const NetstringTake take = take_netstring(rest, answer, answer_limit);
      if (take == NetstringTake::complete && !answer.empty()) return std::string(answer);
      if (take != NetstringTake::more) return std::nullopt;
      const std::string_view more = in.peek();
      if (more.empty()) return std::nullopt;
      bytes.append(more);
      in.consume(more.size());
    }
  } catch (const Error&) {
    return std::nullopt;
  }
}

Ending ending_of(const std::optional<std::string>& answer) {
  if (answer && (*answer)[0] == 'K') return {};
  if (answer && (*answer)[0] == 'D') return {server_refused, *answer};
  if (answer && (*answer)[0] == 'Z') return {server_deferred, *answer};
  return {connection_lost, "Zqmqp communication failed, the message may be queued (#4.4.2)"};
}

// False: the message did not go out whole, so the server throws away what it got.
bool send_package(int fd, MessageFile& message, const std::string& envelope, Deadline deadline) {
  Writer out(fd, "server", write_seconds, 64U << 10);
  out.until(deadline);
  const auto size = static_cast<std::uint64_t>(message.size());
  try {
    out.put(std::to_string(netstring_size(size) + envelope.size()) + ":" + std::to_string(size) + ":");
    for (off_t at = 0; at < message.size();) {
      const std::string_view piece = message.piece(at);
      out.put(piece);
      at += static_cast<off_t>(piece.size());
    }
    out.put(",");
    out.put(envelope);
    out.put(",");
    out.flush();  // a write that fails has not taken the last byte
  } catch (const MessageReadError&) {
    throw;
  } catch (const Error&) {
    return false;
  }
  return true;
}

// One server; nullopt: try the next one, `last` says why.
std::optional<Ending> submit_to(const Endpoint& server, MessageFile& message, const std::string& envelope,
                                Ending& last) {
  const std::string name = server.address.with_port(server.port);
  const Deadline end = Deadline::in_seconds(session_seconds);
  const TcpConnection tcp = connect_tcp(server.address, server.port, Deadline::in_seconds(connect_seconds));
  if (!tcp.fd) {
    complain("connect to " + name + ": " + errno_text(tcp.error));
    const bool ours =
        tcp.error == EMFILE || tcp.error == ENFILE || tcp.error == ENOBUFS || tcp.error == ENOMEM;
    if (ours)
      last = {cannot_make_socket, "Zqmqp trouble making network connection (#4.3.0)"};
    else if (tcp.error == ETIMEDOUT)
      last = {connect_timed_out, "Zqmqp connection timed out (#4.4.1)"};
    else
      last = {connect_failed, "Zqmqp connection rejected (#4.4.1)"};
    return std::nullopt;
  }
  if (send_package(tcp.fd.get(), message, envelope, end))
    return ending_of(read_answer(tcp.fd.get(), earlier(end, Deadline::in_seconds(answer_seconds))));
  // It may have said why before it hung up; that it was accepted it cannot have said.
  const std::optional<std::string> said = read_answer(tcp.fd.get(), Deadline::in_seconds(last_words_seconds));
  if (said && ((*said)[0] == 'D' || (*said)[0] == 'Z')) return ending_of(said);
  complain(name + " hung up in the middle of the message");
  last = {connection_lost, "Zqmqp communication failed (#4.4.2)"};
  return std::nullopt;
}

int body(int, char**) {
  ensure_standard_fds();
  ignore_sigpipe();
  std::vector<Endpoint> servers;
  try {
    servers = read_servers();
  } catch (const Error& e) {
    complain(e.text());
  }
  if (servers.empty()) return cannot_read_controls;

  std::string envelope;
  Fd copy;
  std::optional<MessageFile> message;
  int refused = 0;
  try {
    copy = seekable_copy(message_fd);
    message.emplace(copy ? copy.get() : message_fd);
    envelope = read_envelope(refused);
  } catch (const Error& e) {
    complain(e.text());
    return static_cast<int>(QueueExit::broken_off);
  }
  if (refused != 0) return refused;

  seal(seal_profile::remote);
  Ending ending{connect_failed};
  try {
    for (const Endpoint& server : servers)
      if (const std::optional<Ending> final = submit_to(server, *message, envelope, ending)) {
        ending = *final;
        break;
      }
  } catch (const MessageReadError& e) {
    complain(e.text());
    return static_cast<int>(QueueExit::broken_off);
  }
  if (ending.code != 0 && tell_queue_text(ending.text)) return static_cast<int>(QueueExit::custom_text);
  return ending.code;
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  const int code = hato::run_main(hato::program_name, argc, argv, hato::body);
  // What run_main caught happened before anything was sent.
  return code == 111 || code == 100 ? static_cast<int>(hato::QueueExit::memory) : code;
}

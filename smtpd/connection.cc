#include "smtpd/connection.h"

#include <algorithm>
#include <new>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/net/tcp.h"

namespace hato::smtpd {

namespace {

constexpr std::size_t input_space = 32U << 10;  // only the pages that input has reached take memory
constexpr std::size_t output_space = 4096;
constexpr int silence_after_odd_end =
    5;  // seconds; then a client that ended its data wrongly gets its refusal
constexpr int seconds_for_last_words = 10;

class ClientGone {};

class Conversation {
 public:
  Conversation(int in, int out, Session& session, const Settings& settings)
      : in_(in, "client", settings.timeout, input_space),
        out_(out, "client", settings.timeout, output_space),
        session_(session),
        timeout_(settings.timeout),
        line_limit_(settings.limits.commandline) {
    in_.flush_before_reading(&out_);
  }

  int run() {
    Session::Next next = session_.greet(reply_);
    send(std::exchange(reply_, {}));
    for (;;) switch (next) {
        case Session::Next::command:
          next = command();
          break;
        case Session::Next::data:
          next = data();
          break;
        case Session::Next::chunk:
          next = chunk();
          break;
        case Session::Next::quit:
          out_.flush();
          return 0;
        case Session::Next::hang_up:
          hang_up();
          return 1;
      }
  }

  void last_words(const std::string& reply) {
    out_.until(Deadline::in_seconds(seconds_for_last_words));
    send(reply);
    hang_up();
  }

 private:
  void send(const std::string& reply) {
    out_.put(reply);
    out_.flush();
  }

  std::string_view peek() {
    const std::string_view octets = in_.peek();
    if (octets.empty()) throw ClientGone();
    return octets;
  }

  // The reply is sent at once, or with others when the next command is here already.
  Session::Next answered(Session::Next next) {
    out_.put(reply_);
    if (!session_.reply_may_wait() || reply_.size() > output_space / 2) out_.flush();
    reply_.clear();
    return next;
  }

  Session::Next command() {
    in_.until(Deadline::in_seconds(timeout_));  // a whole line within the time of one
    const Reader::Line read = in_.read_line(line_, line_limit_ + 1);
    if (read == Reader::Line::eof || read == Reader::Line::partial) throw ClientGone();
    if (read == Reader::Line::too_long) {
      skip_line();
      return answered(session_.bad_line(Reply::line_too_long, reply_));
    }
    if (line_.empty() || line_.back() != '\r') return answered(session_.bad_line(Reply::line_ends, reply_));
    line_.pop_back();
    if (line_.find('\r') != std::string::npos) return answered(session_.bad_line(Reply::line_ends, reply_));
    return answered(session_.command(line_, reply_));
  }

  void skip_line() {
    for (;;) {
      const std::string_view octets = peek();
      const std::size_t end = octets.find('\n');
      in_.consume(std::min(end, octets.size() - 1) + 1);
      if (end != std::string_view::npos) return;
    }
  }

  Session::Next data() {
    in_.until(Deadline::never());
    while (!session_.data_done()) {
      if (session_.client_may_be_waiting() && in_.buffered().empty() &&
          !wait_readable(in_.fd(), Deadline::in_seconds(silence_after_odd_end)))
        return answered(session_.end_of_data(false, reply_));
      in_.consume(session_.data(peek()));
    }
    return answered(session_.end_of_data(true, reply_));
  }

  Session::Next chunk() {
    in_.until(Deadline::never());
    while (session_.chunk_left() > 0) {
      std::string_view octets = peek();
      octets = octets.substr(
          0, static_cast<std::size_t>(std::min<std::uint64_t>(octets.size(), session_.chunk_left())));
      session_.chunk(octets);
      in_.consume(octets.size());
    }
    return answered(session_.end_of_chunk(reply_));
  }

  void hang_up() {
    out_.flush();
    hato::hang_up(in_.fd(), out_.fd());
  }

  Reader in_;
  Writer out_;
  Session& session_;
  std::int64_t timeout_;
  std::size_t line_limit_;
  std::string line_;
  std::string reply_;
};

}  // namespace

int converse(int in, int out, Session& session, const Settings& settings) {
  Conversation conversation(in, out, session, settings);
  try {
    return conversation.run();
  } catch (const ClientGone&) {
    session.broken("connection lost");
  } catch (const TimeoutError& e) {
    session.broken(e.text());
    try {
      conversation.last_words(session.farewell(Reply::timeout));
    } catch (const Error&) {
    }
  } catch (const std::bad_alloc&) {
    session.broken("out of memory");
    try {
      conversation.last_words(session.farewell(Reply::no_memory));
    } catch (const std::exception&) {
    }
  } catch (const Error& e) {  // the client's side failed: reset, broken pipe
    session.broken(e.text());
  }
  return 1;
}

void turn_away(int out, const std::string& reply) {
  try {
    write_all(out, reply, "client");
  } catch (const Error&) {
  }
}

}  // namespace hato::smtpd

#include "qmtp/server.h"

#include <memory>
#include <new>
#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/privilege.h"
#include "lib/base/process.h"
#include "lib/mail/netstring.h"
#include "lib/net/server_queue.h"
#include "lib/net/tcp.h"
#include "lib/store/control.h"
#include "qmtp/answer.h"
#include "qmtp/session.h"

namespace hato::qmtp {

namespace {

constexpr std::size_t input_space = 32U << 10;
constexpr std::size_t output_space = 4096;
constexpr int seconds_for_last_words = 10;

void last_words(std::string_view answer) {
  std::string response;
  append_netstring(response, answer);
  try {
    Writer out(1, "client", seconds_for_last_words);
    out.put(response);
    out.flush();
    hang_up(0, 1);
  } catch (const Error&) {  // it is gone
  }
}

int converse(Settings& settings, ServerQueue& queue, const Journal& journal) {
  Reader in(0, "client", wait_seconds, input_space);
  Writer out(1, "client", wait_seconds, output_space);
  const Deadline end = Deadline::in_seconds(session_seconds);
  in.until(end);
  out.until(end);
  in.flush_before_reading(&out);
  Session session(settings, queue, journal, [&](std::string_view octets) { out.put(octets); });
  try {
    while (!session.over()) {
      const std::string_view octets = in.peek();
      if (octets.empty()) {
        const bool clean = session.at_rest() && settings.protocol == Protocol::qmtp;
        session.broken("connection lost");
        return clean ? 0 : 1;
      }
      session.feed(octets);
      in.consume(octets.size());
    }
    out.flush();
    hang_up(0, 1);
    return session.failed() ? 1 : 0;
  } catch (const std::bad_alloc&) {
    session.broken("out of memory");
    last_words(answer::no_memory);
  } catch (const Error& e) {  // reset, broken pipe, time over
    session.broken(e.text());
  }
  return 1;
}

}  // namespace

int serve(const char* program, Protocol protocol) {
  ensure_standard_fds();
  ignore_sigpipe();
  const bool logging = has_log();
  const Journal journal = [&](std::string_view line) {
    if (logging) log_line(2, std::string(program) + ": " + std::string(line));
  };
  Settings settings;
  std::unique_ptr<ServerQueue> queue;
  try {
    Privilege privilege(conf::user_qmaild);
    settings = read_settings(protocol, Control());
    queue = open_queue_and_seal(program, privilege, logging);
  } catch (const std::bad_alloc&) {
    last_words(answer::no_memory);
    return 1;
  } catch (const Error& e) {
    journal(e.text());
    last_words(answer::no_controls);
    return 1;
  }
  return converse(settings, *queue, journal);
}

}  // namespace hato::qmtp

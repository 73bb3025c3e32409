// A whole session: octets in, replies out, messages to a queue that only looks at them. The input is read in
// two ways, at once and in small pieces, which must come to the same.
#include <stdlib.h>

#include "smtpd/session.h"

using namespace hato;
using namespace hato::smtpd;

namespace {

void demand(bool fact) {
  if (!fact) abort();
}

struct Record {
  std::vector<std::string> messages;  // text and envelope of each
};

class RecordingSubmission : public ServerSubmission {
 public:
  explicit RecordingSubmission(Record& record) : record_(record) {}
  void text(std::string_view piece) override { text_ += piece; }
  GateResult commit(const SubmissionEnvelope& envelope) override {
    demand(!envelope.recipients.empty());
    demand(text_.find('\r') == std::string::npos);  // every CR of the wire stood before an LF
    demand(text_.size() <= 200);                    // databytes
    std::string all = text_ + "\n--" + envelope.sender;
    for (const Recipient& recipient : envelope.recipients)
      all += "," + recipient.address + " " + recipient.params;
    record_.messages.push_back(all);
    GateResult outcome;
    outcome.qp = 7;
    return outcome;
  }

 private:
  Record& record_;
  std::string text_;
};

class RecordingQueue : public ServerQueue {
 public:
  explicit RecordingQueue(Record& record) : record_(record) {}
  std::unique_ptr<ServerSubmission> open(const GateOrigin& origin, GateResult&) override {
    demand(!origin.trace.empty() && !origin.protocol.empty());
    return std::make_unique<RecordingSubmission>(record_);
  }

 private:
  Record& record_;
};

// The codes of all replies, and what was queued.
struct Played {
  std::string codes;
  Record record;
};

Played play(std::string_view input, std::size_t piece) {
  Played outcome;
  RecordingQueue queue(outcome.record);
  smtpd::Settings settings;
  settings.greeting = "mx.example";
  settings.databytes.limit = 200;
  settings.limits.recipients = 3;
  settings.policy.rcpthosts.emplace("here.example\n.sub.example\n");
  settings.badmailfrom.emplace("@bad.example\n");
  Session session(settings, queue, [](std::string_view) {});
  // A policy server that decides by the first letter of the recipient or sender.
  session.policy_by([](PolicyState state, bool, const std::string& attributes) {
    const auto request = parse_policy_request(attributes);
    demand(request && request->value("protocol_state") == policy_state_name(state));
    demand(!request->value("instance").empty());
    PolicyOutcome said;
    const std::string_view about = request->value(state == PolicyState::rcpt ? "recipient" : "sender");
    if (about.starts_with('p')) said.code = 550, said.status = "5.1.1";
    if (about.starts_with('q')) said.code = 421, said.status = "4.7.1";
    if (about.starts_with('d')) said.discard = true;
    if (about.starts_with('f')) said.fields = "X-Field: yes\n";
    return said;
  });
  std::string reply;
  const auto answered = [&] {
    for (std::size_t at = 0; at < reply.size();) {
      const std::size_t end = reply.find("\r\n", at);
      demand(end != std::string::npos && end - at >= 4 && end - at <= 510);
      if (reply[at + 3] == ' ') outcome.codes += reply.substr(at, 4);
      at = end + 2;
    }
    reply.clear();
  };
  Session::Next next = Session::Next::command;
  while (!input.empty()) {
    if (next == Session::Next::command) {
      const std::size_t end = input.find("\r\n");
      if (end == std::string_view::npos) break;
      const std::string_view line = input.substr(0, end);
      input.remove_prefix(end + 2);
      next = line.find_first_of("\r\n") != std::string_view::npos ? session.bad_line(Reply::line_ends, reply)
                                                                  : session.command(line, reply);
      if (next != Session::Next::chunk) demand(!reply.empty());
      answered();
    } else if (next == Session::Next::data) {
      input.remove_prefix(session.data(input.substr(0, piece)));
      if (!session.data_done()) continue;
      next = session.end_of_data(true, reply);
      answered();
    } else if (next == Session::Next::chunk) {
      const std::string_view octets = input.substr(0, std::min<std::uint64_t>(piece, session.chunk_left()));
      session.chunk(octets);
      input.remove_prefix(octets.size());
      if (session.chunk_left() > 0) continue;
      next = session.end_of_chunk(reply);
      answered();
    } else {
      break;
    }
  }
  session.broken("end of input");
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Played at_once = play(input, size + 1);
  const Played in_pieces = play(input, 1);
  demand(at_once.codes == in_pieces.codes);
  demand(at_once.record.messages == in_pieces.record.messages);
  return 0;
}

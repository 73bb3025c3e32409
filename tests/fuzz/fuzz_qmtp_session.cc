// A whole session of a QMTP or QMQP server: octets in, responses out, messages to a queue that only looks at
// them. The input is read in two ways, at once and byte by byte, which must come to the same. The first byte
// chooses the protocol.
#include <stdlib.h>

#include "lib/mail/netstring.h"
#include "qmtp/session.h"

using namespace hato;
using namespace hato::qmtp;

namespace {

void demand(bool fact) {
  if (!fact) abort();
}

using Messages = std::vector<std::string>;

class RecordingSubmission : public ServerSubmission {
 public:
  explicit RecordingSubmission(Messages& messages) : messages_(messages) {}
  void text(std::string_view piece) override { text_ += piece; }
  GateResult commit(const SubmissionEnvelope& envelope) override {
    demand(text_.size() <= 200);  // databytes
    std::string all = text_ + "\n--" + envelope.sender;
    for (const Recipient& recipient : envelope.recipients) {
      demand(!recipient.address.empty() && recipient.address.size() < max_envelope_address);
      demand(recipient.address.find('\0') == std::string::npos &&
             recipient.address.find('\n') == std::string::npos);
      all += "," + recipient.address;
    }
    messages_.push_back(all);
    GateResult result;
    result.qp = 7;
    return result;
  }

 private:
  Messages& messages_;
  std::string text_;
};

class RecordingQueue : public ServerQueue {
 public:
  explicit RecordingQueue(Messages& messages) : messages_(messages) {}
  std::unique_ptr<ServerSubmission> open(const GateOrigin& origin, GateResult&) override {
    demand(!origin.trace.empty() && !origin.protocol.empty());
    return std::make_unique<RecordingSubmission>(messages_);
  }

 private:
  Messages& messages_;
};

struct Played {
  std::string letters;  // of the responses
  Messages messages;
  bool over = false, failed = false, at_rest = false;
};

Played play(Protocol protocol, std::string_view input, std::size_t piece) {
  Played played;
  RecordingQueue queue(played.messages);
  Settings settings;
  settings.protocol = protocol;
  settings.databytes.limit = 200;
  settings.policy.rcpthosts.emplace("here.example\n.sub.example\n");
  Session session(
      settings, queue, [](std::string_view) {},
      [&](std::string_view octets) {
        std::string_view response;
        demand(take_netstring(octets, response, 1000) == NetstringTake::complete && octets.empty());
        demand(response.size() > 1 && (response[0] == 'K' || response[0] == 'Z' || response[0] == 'D'));
        played.letters += response[0];
      });
  for (; !input.empty() && !session.over(); input.remove_prefix(std::min(piece, input.size())))
    session.feed(input.substr(0, piece));
  played.over = session.over();
  played.failed = session.failed();
  played.at_rest = session.at_rest();
  session.broken("end of input");
  return played;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Protocol protocol = input[0] % 2 == 0 ? Protocol::qmtp : Protocol::qmqp;
  const Played at_once = play(protocol, input.substr(1), size);
  const Played in_pieces = play(protocol, input.substr(1), 1);
  demand(at_once.letters == in_pieces.letters && at_once.messages == in_pieces.messages);
  demand(at_once.over == in_pieces.over && at_once.failed == in_pieces.failed &&
         at_once.at_rest == in_pieces.at_rest);

  std::string_view rest = input, string;
  if (take_netstring(rest, string, 100) == NetstringTake::complete) {
    std::string again;
    append_netstring(again, string);
    demand(again == input.substr(0, input.size() - rest.size()));
  }
  return 0;
}

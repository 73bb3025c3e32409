#include "lib/net/gate_queue.h"

namespace hato {

namespace {

constexpr int patience_to_open = 5;  // seconds, then 451
constexpr int patience_to_commit =
    540;  // seconds; content services may take four minutes, a client waits ten

class GateSubmission : public ServerSubmission {
 public:
  GateResult open(const std::string& path, const GateOrigin& origin) {
    const GateResult result = gate_.connect(path, Deadline::in_seconds(patience_to_open));
    if (result.ok()) gate_.origin(origin);
    return result;
  }
  void text(std::string_view piece) override { gate_.message(piece); }
  GateResult commit(const SubmissionEnvelope& envelope) override {
    gate_.end_message();
    gate_.sender(envelope.sender, envelope.parameters);
    for (const Recipient& recipient : envelope.recipients)
      gate_.recipient(recipient.address, recipient.params);
    return gate_.commit(Deadline::in_seconds(patience_to_commit));
  }

 private:
  Gate gate_;
};

}  // namespace

std::unique_ptr<ServerSubmission> GateQueue::open(const GateOrigin& origin, GateResult& refused) {
  auto submission = std::make_unique<GateSubmission>();
  refused = submission->open(path_, origin);
  if (!refused.ok()) return nullptr;
  return submission;
}

}  // namespace hato

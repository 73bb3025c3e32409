#include "smtpd/gate_submission.h"

namespace hato::smtpd {

namespace {

constexpr int patience_to_open = 5;  // seconds, then 451
constexpr int patience_to_commit =
    540;  // seconds; content services may take four minutes, a client waits ten

Outcome outcome_of(const GateResult& result) {
  return {result.code, result.text, result.qp};
}

class GateSubmission : public Submission {
 public:
  GateResult open(const std::string& path, const GateOrigin& origin) {
    const GateResult result = gate_.connect(path, Deadline::in_seconds(patience_to_open));
    if (result.ok()) gate_.origin(origin);
    return result;
  }
  void text(std::string_view piece) override { gate_.message(piece); }
  Outcome commit(const SubmissionEnvelope& envelope) override {
    gate_.end_message();
    gate_.sender(envelope.sender, envelope.parameters);
    for (const Recipient& recipient : envelope.recipients)
      gate_.recipient(recipient.address, recipient.params);
    return outcome_of(gate_.commit(Deadline::in_seconds(patience_to_commit)));
  }

 private:
  Gate gate_;
};

}  // namespace

std::unique_ptr<Submission> GateQueue::open(const GateOrigin& origin, Outcome& refused) {
  auto submission = std::make_unique<GateSubmission>();
  const GateResult result = submission->open(path_, origin);
  if (result.ok()) return submission;
  refused = outcome_of(result);
  return nullptr;
}

}  // namespace hato::smtpd

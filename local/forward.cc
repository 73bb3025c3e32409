#include "local/forward.h"

#include "lib/base/error.h"
#include "lib/net/submit.h"

namespace hato {

namespace {

[[noreturn]] void refused(const GateResult& result) {
  const std::string report = result.report();  // 'D' or 'Z', then a sentence
  const std::string text = "Unable to forward message: " + report.substr(1) + ".";
  if (report.starts_with('D')) throw PermError(text);
  throw TempError(text);
}

}  // namespace

std::uint32_t forward_message(MessageFile& message, std::string_view delivered_to, const std::string& sender,
                              const std::vector<std::string_view>& recipients,
                              const std::string& message_params, const std::string& recipient_params) {
  Submission submission;
  GateOrigin origin;
  origin.kind = Kind::forward;
  if (const GateResult result = submission.open(origin); !result.ok()) refused(result);
  submission.message(delivered_to);
  for (off_t at = 0; at < message.size() && !submission.refused();) {
    const std::string_view piece = message.piece(at);
    submission.message(piece);
    at += static_cast<off_t>(piece.size());
  }
  submission.sender(sender, message_params);
  for (const std::string_view recipient : recipients) submission.recipient(recipient, recipient_params);
  const GateResult result = submission.commit();
  if (!result.ok()) refused(result);
  return result.qp;
}

}  // namespace hato

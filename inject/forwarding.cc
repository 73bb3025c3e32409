#include "inject/forwarding.h"

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/net/submit.h"

namespace hato {

std::string required_env(const char* name) {
  auto value = env(name);
  if (!value) throw PermError(std::string(name) + " not set; this program is for dot-qmail(5) files");
  return *value;
}

std::uint32_t forward_message(const std::string& sender, const std::vector<std::string>& recipients) {
  const std::string delivered_to = required_env("DTLINE");
  Submission submission;
  GateOrigin origin;
  origin.kind = Kind::forward;
  check_queued(submission.open(origin));
  submission.message(delivered_to);
  submit_rest_of(0, submission);
  submission.sender(sender);
  for (const std::string& recipient : recipients) submission.recipient(recipient);
  const GateResult result = submission.commit();
  check_queued(result);
  return result.qp;
}

}  // namespace hato

// Policy requests and answers: what is understood is understood the same when it is written again; what
// becomes of an answer is a reply that keeps to SMTP.
#include <stdlib.h>

#include "lib/net/policy.h"
#include "smtpd/policy.h"
#include "smtpd/reply.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto whole = policy_message_size(text)) {
    if (*whole == 0 || *whole > size || text[*whole - 1] != '\n') abort();
  }
  if (const auto request = parse_policy_request(text)) {
    std::string again;
    for (const auto& [name, value] : request->attributes) append_policy_attribute(again, name, value);
    const auto twice = parse_policy_request(again);
    if (!twice || twice->attributes.size() != request->attributes.size()) abort();
    if (!policy_message_size(again + "\n")) abort();
  }
  if (const auto answer = parse_policy_answer(text)) {
    const auto server = smtpd::PolicyServer::parse("s RCPT", "/d");
    smtpd::PolicyVerdict verdict(PolicyState::rcpt);
    verdict.take(*server, *answer);
    const smtpd::PolicyOutcome outcome = verdict.finish();
    if (!outcome.fields.empty() && outcome.fields.find('\n') != outcome.fields.size() - 1) abort();
    if (outcome.code != 0) {
      smtpd::Replies replies;
      replies.enhanced(size % 2 == 0);
      const std::string line = replies.line_of_policy(outcome);
      if (line.size() < 6 || line.size() > 512 || line.find_first_of("\r\n") != line.size() - 2) abort();
      if (line[0] != '4' && line[0] != '5') abort();
      if (!outcome.cannot_ask && line.substr(0, 3) != std::to_string(outcome.code)) abort();
    }
  }
  smtpd::PolicyServer::parse(text, "/d");
  return 0;
}

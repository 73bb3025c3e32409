#include "qmail-send/message.h"

namespace hato {

void QueuedMessage::prepare(const Router& router, const std::vector<StateRecord>& records) {
  recipients.reserve(opened.envelope.recipients.size());
  for (const Recipient& queued : opened.envelope.recipients) {
    recipients.push_back({router.route(queued.address), Fate::pending, ""});
    ++pass(recipients.back().route.channel).pending;
  }
  for (const StateRecord& record : records) switch (record.type) {
      case StateType::done:
      case StateType::removed:
        resolve(record.recipient, Fate::done, "");
        break;
      case StateType::failed:
        resolve(record.recipient, Fate::failed, record.text);
        break;
      case StateType::bounced:
        bounced = true;
        break;
      case StateType::refused:
        refusal = record.text;
        break;
    }
}

bool QueuedMessage::has_next(Channel channel) {
  for (std::size_t& next = pass(channel).next; next < recipients.size(); ++next)
    if (recipients[next].route.channel == channel && recipients[next].fate == Fate::pending) return true;
  return false;
}

std::size_t QueuedMessage::next_recipient(Channel channel) {
  return has_next(channel) ? pass(channel).next++ : npos;
}

bool QueuedMessage::has_failures() const {
  for (const RecipientState& recipient : recipients)
    if (recipient.fate == Fate::failed) return true;
  return false;
}

std::vector<BouncedRecipient> QueuedMessage::failures() const {
  std::vector<BouncedRecipient> failures;
  for (const RecipientState& recipient : recipients)
    if (recipient.fate == Fate::failed)
      failures.push_back({std::string(recipient.route.address()), recipient.report});
  return failures;
}

void QueuedMessage::resolve(std::size_t recipient, Fate fate, std::string report) {
  if (recipient >= recipients.size()) return;
  RecipientState& of = recipients[recipient];
  if (of.fate == Fate::done || of.fate == Fate::failed) return;
  of.fate = fate;
  of.report = std::move(report);
  report_bytes += of.report.size();
  --pass(of.route.channel).pending;
}

}  // namespace hato

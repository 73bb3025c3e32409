#include "qmail-send/message.h"

#include <algorithm>

namespace hato {

void QueuedMessage::prepare(const Router& router, const std::vector<StateRecord>& records) {
  recipients.reserve(opened.envelope.recipients.size());
  for (const Recipient& queued : opened.envelope.recipients) {
    recipients.push_back(
        {router.route(queued.address), Fate::pending, recipient_dsn(queued.params).notify, false, ""});
    ++pass(recipients.back().route.channel).pending;
  }
  for (const StateRecord& record : records) switch (record.type) {
      case StateType::done:
        resolve(record.recipient, Fate::done, record.text);
        break;
      case StateType::removed:
        resolve(record.recipient, Fate::done, "");
        break;
      case StateType::failed:
        resolve(record.recipient, Fate::failed, record.text);
        break;
      case StateType::deferred:
        deferral_bytes += record.text.size();
        defer(record.recipient, record.text);
        break;
      case StateType::bounced:
        bounced = true;
        break;
      case StateType::refused:
        refusal = record.text;
        break;
      case StateType::delayed:
        delay_told = true;
        break;
      case StateType::notified:
        tell_successes();
        break;
    }
}

Share* QueuedMessage::share(Channel channel, std::uint64_t line) {
  std::vector<Share>& shares = pass(channel).shares;
  const auto at =
      std::lower_bound(shares.begin(), shares.end(), line,
                       [](const Share& share, std::uint64_t number) { return share.line < number; });
  return at == shares.end() || at->line != line ? nullptr : &*at;
}

std::size_t QueuedMessage::next_recipient(Channel channel, Share& share) {
  Pass& of = pass(channel);
  while (share.next < share.end) {
    const std::size_t recipient = of.order[share.next++];
    --of.left;
    if (recipients[recipient].fate == Fate::pending) return recipient;
  }
  return npos;
}

void QueuedMessage::put_back(Channel channel, Share& share) {
  --share.next;
  ++pass(channel).left;
}

void QueuedMessage::skip(Channel channel, Share& share) {
  pass(channel).left -= share.end - share.next;
  share.next = share.end;
}

void QueuedMessage::give_up(Channel channel) {
  for (Share& share : pass(channel).shares) skip(channel, share);
}

void QueuedMessage::skip_resolved(Channel channel) {
  Pass& of = pass(channel);
  for (Share& share : of.shares)
    for (; share.next < share.end && recipients[of.order[share.next]].fate != Fate::pending; ++share.next)
      --of.left;
}

bool QueuedMessage::has_failures() const {
  for (const RecipientState& recipient : recipients)
    if (recipient.fate == Fate::failed && recipient.notify.wants_failure()) return true;
  return false;
}

bool QueuedMessage::has_sender() const {
  return !opened.envelope.sender.empty() && opened.envelope.sender != double_bounce_sender;
}

void QueuedMessage::resolve(std::size_t recipient, Fate fate, std::string report) {
  if (recipient >= recipients.size()) return;
  RecipientState& of = recipients[recipient];
  if (of.fate == Fate::done || of.fate == Fate::failed) return;
  of.fate = fate;
  report_bytes -= of.report.size();
  of.report = std::move(report);
  report_bytes += of.report.size();
  --pass(of.route.channel).pending;
}

void QueuedMessage::defer(std::size_t recipient, std::string report) {
  if (recipient >= recipients.size()) return;
  RecipientState& of = recipients[recipient];
  if (of.fate == Fate::done || of.fate == Fate::failed) return;
  report_bytes -= of.report.size();
  of.report = std::move(report);
  report_bytes += of.report.size();
}

void QueuedMessage::tell_successes() {
  for (RecipientState& recipient : recipients)
    if (recipient.fate == Fate::done) recipient.told = true;
}

}  // namespace hato

#include "qmail-send/notice_job.h"

#include "lib/mail/address.h"
#include "lib/mail/diagnosis.h"
#include "lib/mail/dsn.h"
#include "qmail-send/schedule.h"

namespace hato {

namespace {

std::int64_t delay_after(const SendSettings& settings) {
  return settings.delay_notice > 0 ? settings.delay_notice : default_delay_notice;
}

std::optional<Action> success_of(const RecipientState& recipient) {
  return success_action(recipient.route.channel == Channel::remote, recipient.report);
}

// What this recipient is told as in a notice of that kind; nullopt: nothing.
std::optional<Action> action_in(const QueuedMessage& message, std::size_t index, NoticeKind kind,
                                const SendSettings& settings) {
  const RecipientState& recipient = message.recipients[index];
  switch (kind) {
    case NoticeKind::failure:
    case NoticeKind::double_bounce:
    case NoticeKind::refused:
      if (recipient.fate == Fate::failed && recipient.notify.wants_failure()) return Action::failed;
      return std::nullopt;
    case NoticeKind::delay:
      // Without a text it was not tried yet.
      if (recipient.fate == Fate::pending && !recipient.report.empty() &&
          may_report_delay(message, index, settings))
        return Action::delayed;
      return std::nullopt;
    case NoticeKind::success:
      // Without a text the operator took him out.
      if (recipient.fate == Fate::done && !recipient.told && !recipient.report.empty() &&
          message.wants_success(index))
        return success_of(recipient);
      return std::nullopt;
  }
  return std::nullopt;
}

bool owes(const QueuedMessage& message, NoticeKind kind, const SendSettings& settings) {
  for (std::size_t i = 0; i < message.recipients.size(); ++i)
    if (action_in(message, i, kind, settings)) return true;
  return false;
}

}  // namespace

std::optional<NoticeKind> owed_notice(const QueuedMessage& message, const SendSettings& settings,
                                      std::int64_t now) {
  if (!message.has_sender() || message.notice_failed || message.removed) return std::nullopt;
  if (owes(message, NoticeKind::success, settings)) return NoticeKind::success;
  if (now - birth_of(message.id) >= delay_after(settings) && owes(message, NoticeKind::delay, settings))
    return NoticeKind::delay;
  return std::nullopt;
}

bool may_report_delay(const QueuedMessage& message, std::size_t recipient, const SendSettings& settings) {
  const Notify& notify = message.recipients[recipient].notify;
  return message.has_sender() && !message.delay_told &&
         (notify.said ? notify.delay : settings.delay_notice > 0);
}

NoticeKind failure_notice(const QueuedMessage& message) {
  if (!message.refusal.empty()) return NoticeKind::refused;
  return message.opened.envelope.sender.empty() ? NoticeKind::double_bounce : NoticeKind::failure;
}

NoticeJob notice_job(const QueuedMessage& message, NoticeKind kind, const SendSettings& settings,
                     std::int64_t now) {
  const QueuedEnvelope& envelope = message.opened.envelope;
  const bool to_postmaster = kind == NoticeKind::double_bounce || kind == NoticeKind::refused;
  const bool of_failure = to_postmaster || kind == NoticeKind::failure;
  const MessageDsn asked = message_dsn(envelope.params);

  NoticeJob job;
  job.id = message.id;
  NoticeFacts& facts = job.facts;
  facts.kind = kind;
  facts.from = settings.bounce_from;
  facts.host = settings.bounce_host;
  facts.reporter = settings.reporter;
  facts.sender = without_verp(envelope.sender);
  facts.to = to_postmaster ? settings.double_bounce_to : facts.sender;
  facts.trace = message.opened.header.trace;
  facts.id = message.id.text();
  facts.envid = asked.envid;
  facts.date = now;
  facts.arrival = birth_of(message.id);
  facts.until = facts.arrival + settings.queue_lifetime;
  facts.refusal = message.refusal;
  const auto words = parse_parameters(envelope.params);
  facts.smtputf8 = words && find_parameter(*words, "SMTPUTF8") != nullptr;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    const std::optional<Action> action = action_in(message, i, kind, settings);
    if (!action) continue;
    const RecipientState& recipient = message.recipients[i];
    facts.recipients.push_back({std::string(recipient.route.address()), recipient.report, *action,
                                recipient.route.channel == Channel::remote,
                                recipient_dsn(envelope.recipients[i].params).original});
  }
  job.sender = to_postmaster ? double_bounce_sender : "";
  job.recipient = facts.to;
  job.qsbmf = settings.qsbmf && of_failure;
  // RFC 3461 6.2: RET is about failures; other notices have the header.
  job.whole = of_failure && asked.ret != DsnReturn::headers;
  job.whole_limit = settings.bounce_bytes;
  job.texts = &settings.notice_texts;
  return job;
}

}  // namespace hato

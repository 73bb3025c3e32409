// The end of a message, or of an attempt: notices to its sender, the move to queue/mess, the unlink;
// Dispatch's part about qmail-clean and the sender of notices.
#include "lib/base/error.h"
#include "qmail-send/dispatch.h"

namespace hato {

// What to do with a message that has no pass running. It may be gone afterwards.
void Dispatch::settle(QueuedMessage& message) {
  if (message.running() || message.phase != QueuedMessage::Phase::delivering) return;
  if (wait_for_notice(message)) return;
  if (message.unresolved() == 0) {
    finish(message);
  } else if (message.unrecorded) {
    message.opened.fd.reset();  // stays in hand: loaded again it would be delivered again
  } else if (message.deferred && message.in_new && cleaner_alive_) {
    message.phase = QueuedMessage::Phase::moving;
    message.opened.fd.reset();
    cleaner_.ask({CleanVerb::defer, true, message.id});
  } else {
    active_.erase(message.id.value());
  }
}

// Has closed messages that have a slot now moved from queue/new to queue/mess, a packet of them at a time.
void Dispatch::move_put_off() {
  for (; !put_off_.empty() && moving_.size() < clean_batch_limit && cleaner_alive_; put_off_.pop_front()) {
    const QueueId id = put_off_.front();
    if (!in_new_.contains(id.value())) continue;
    if (const auto found = active_.find(id.value()); found != active_.end()) {
      found->second->deferred = true;  // it is moved when it is settled
    } else if (moving_.insert(id.value()).second) {
      cleaner_.ask({CleanVerb::defer, true, id});
    }
  }
}

// True when its sender is to be told of a success or a delay first.
bool Dispatch::wait_for_notice(QueuedMessage& message) {
  const std::optional<NoticeKind> owed = owed_notice(message, settings_, now_);
  if (!owed) return false;
  if (to_notify_.size() < notices_in_memory) {
    message.phase = QueuedMessage::Phase::bouncing;
    message.notice = *owed;
    message.opened.fd.reset();
    to_notify_.push_back(message.id);
    return true;
  }
  if (message.unresolved() > 0) return false;  // after its next pass
  retry_end(message, 0);
  return true;
}

// Every recipient has come to an end: tell the sender of failures, then remove the message.
void Dispatch::finish(QueuedMessage& message) {
  if (!message.bounced && !message.removed && message.has_failures()) {
    const std::string& sender = message.opened.envelope.sender;
    if (sender == double_bounce_sender) {
      log_.line("triple bounce: discarding " + name_of(message.id, message.in_new));
    } else if ((sender.empty() || !message.refusal.empty()) && settings_.double_bounce_to.empty()) {
      log_.line("double bounce: discarding " + name_of(message.id, message.in_new));
    } else if (to_notify_.size() < notices_in_memory) {
      message.phase = QueuedMessage::Phase::bouncing;
      message.notice = failure_notice(message);
      message.opened.fd.reset();
      to_notify_.push_back(message.id);
      return;
    } else {
      retry_end(message, 0);
      return;
    }
    message.bounced = true;
    mark(message, {StateType::bounced, 0, ""});
  }
  end(message);
}

void Dispatch::end(QueuedMessage& message) {
  log_.end(message.id);
  message.phase = QueuedMessage::Phase::ending;
  message.opened.fd.reset();
  if (cleaner_alive_)
    cleaner_.ask({CleanVerb::unlink, message.in_new, message.id});
  else
    mark_all_done(message);
}

// The message stays, though its recipients have it.
void Dispatch::mark_all_done(QueuedMessage& message) {
  for (std::size_t i = 0; i < message.recipients.size(); ++i)
    if (message.recipients[i].fate == Fate::done)
      mark(message, {StateType::done, static_cast<std::uint32_t>(i), ""});
}

// The last step failed: forget the message for a while, its recipients recorded as resolved.
void Dispatch::retry_end(QueuedMessage& message, std::int64_t seconds) {
  if (message.unrecorded) {
    message.phase = QueuedMessage::Phase::held;
    ending_.push(message.id, now_ + std::max<std::int64_t>(seconds, 1), flag_now);
    return;
  }
  ending_.push(message.id, now_ + seconds, flag_now);
  active_.erase(message.id.value());
}

void Dispatch::start_notices() {
  while (!to_notify_.empty() && !notices_.full() && !exit_soon_) {
    QueuedMessage& message = *active_.at(to_notify_.front().value());
    to_notify_.pop_front();
    if (message.removed) {
      end(message);
      continue;
    }
    try {
      start_notice(message);
    } catch (const Error& e) {
      notice_trouble(message, e.text());
    }
  }
}

void Dispatch::start_notice(QueuedMessage& message) {
  NoticeJob job = notice_job(message, message.notice, settings_, now_);
  const Fd copy = open_delivery(where(message.id, message.in_new), message.opened.header);
  job.message = copy.get();
  log_.flush();
  notices_.start(job);
}

void Dispatch::take_notices() {
  for (const NoticeOutcome& outcome : notices_.collect()) {
    QueuedMessage& message = *active_.at(outcome.id.value());
    if (!outcome.accepted() && !outcome.refused() && !outcome.loops)
      notice_trouble(message, outcome.text);
    else if (message.notice == NoticeKind::success || message.notice == NoticeKind::delay)
      take_other_notice(message, outcome);
    else
      take_failure_notice(message, outcome);
  }
}

// It could not be made or injected just now.
void Dispatch::notice_trouble(QueuedMessage& message, const std::string& why) {
  log_.warning("trouble injecting bounce message, will try later: " + why);
  if (message.unresolved() == 0) {
    retry_end(message, trouble_seconds);
    return;
  }
  message.notice_failed = true;
  message.phase = QueuedMessage::Phase::delivering;
  settle(message);
}

void Dispatch::take_failure_notice(QueuedMessage& message, const NoticeOutcome& outcome) {
  if (outcome.refused() && message.notice == NoticeKind::failure) {
    message.refusal = outcome.text.substr(1);
    log_.warning("bounce of msg " + outcome.id.text() +
                 " is refused, sending a double bounce: " + message.refusal);
    mark(message, {StateType::refused, 0, message.refusal});
    finish(message);
    return;
  }
  if (outcome.refused()) {
    move_to_bad(message, "its double bounce is refused: " + outcome.text.substr(1));
    return;
  }
  if (outcome.loops)
    log_.line("triple bounce: discarding " + name_of(message.id, message.in_new));
  else
    log_.bounce(outcome.id, outcome.qp);
  message.bounced = true;
  mark(message, {StateType::bounced, 0, outcome.text});
  end(message);
}

// A notice of success or delay; one that is refused for good is not worth another word.
void Dispatch::take_other_notice(QueuedMessage& message, const NoticeOutcome& outcome) {
  const bool success = message.notice == NoticeKind::success;
  if (outcome.accepted())
    log_.notice(outcome.id, success ? "success" : "delay", outcome.qp);
  else
    log_.warning("notice of msg " + outcome.id.text() + " is refused: " + outcome.text.substr(1));
  if (success)
    message.tell_successes();
  else
    message.delay_told = true;
  mark(message, {success ? StateType::notified : StateType::delayed, 0, ""});
  message.phase = QueuedMessage::Phase::delivering;
  settle(message);
}

void Dispatch::move_to_bad(QueuedMessage& message, const std::string& why) {
  log_.alert("msg " + message.id.text() + ": " + why + "; moving it to queue/bad");
  message.phase = QueuedMessage::Phase::ending;
  if (cleaner_alive_) cleaner_.ask({CleanVerb::bad, message.in_new, message.id});
}

void Dispatch::take_clean_answers() {
  bool gone = false;
  for (const auto& [command, answer] : cleaner_.answers(gone)) {
    const auto found = active_.find(command.id.value());
    QueuedMessage* message = found == active_.end() ? nullptr : found->second.get();
    if (!answer.done)
      log_.warning("qmail-clean unable to clean up " + name_of(command.id, command.in_new) + ": " +
                   answer.why);
    switch (command.verb) {
      case CleanVerb::defer:
        if (answer.done) in_new_.erase(command.id.value());
        if (moving_.erase(command.id.value()) == 0) active_.erase(command.id.value());
        break;
      case CleanVerb::unlink:
        if (message == nullptr) break;
        if (answer.done) {
          try {
            if (message->state.exists()) message->state.remove();
          } catch (const Error& e) {
            log_.warning("unable to unlink state: " + e.text());
          }
          forget(command.id);
        } else {
          mark_all_done(*message);
          retry_end(*message, trouble_seconds);
        }
        break;
      case CleanVerb::bad:
        if (answer.done)
          forget(command.id);  // the state stays beside it until the next start: somebody may look at both
        else
          ending_.push(command.id, now_ + trouble_seconds, flag_now), active_.erase(command.id.value());
        break;
      case CleanVerb::remove:
      case CleanVerb::hold:
      case CleanVerb::release:
      case CleanVerb::sync:
        take_operator_answer(command, answer);
        break;
    }
  }
  if (gone) clean_died();
}

void Dispatch::clean_died() {
  if (!cleaner_alive_) return;
  log_.alert("oh no! lost qmail-clean connection! dying...");
  cleaner_alive_ = false;
  exit_soon_ = true;
  refuse_operator_answers();
  for (const auto& [id, message] : active_)
    if (message->phase == QueuedMessage::Phase::ending) mark_all_done(*message);
}

void Dispatch::forget(QueueId id) {
  if (held_.contains(id)) {
    held_.release(id);
    ask_cleaner({CleanVerb::release, false, id}, {}, 0);
  }
  active_.erase(id.value());
  in_new_.erase(id.value());
}

}  // namespace hato

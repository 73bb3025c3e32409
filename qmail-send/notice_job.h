// Which notice the sender of a message is owed, and what goes into it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/mail/notice.h"
#include "qmail-send/message.h"
#include "qmail-send/settings.h"

namespace hato {

// A notice for lib/net/submit.h, made by a child of qmail-send (notice_sender.h).
struct NoticeJob {
  QueueId id;  // the message
  NoticeFacts facts;
  std::string sender;     // envelope: "" or "#@[]"
  std::string recipient;  // envelope
  bool qsbmf = false;
  bool whole = false;                  // the original is to go back whole
  std::uint64_t whole_limit = 0;       // unless it has more bytes; 0: no limit
  const NoticeTexts* texts = nullptr;  // outlives the fork
  int message = -1;                    // the message, positioned at its start; borrowed for the fork
};

// Of a message that has no pass running: a success or a delay that its sender is to hear of now. Its failures
// are told at its end (failure_notice).
std::optional<NoticeKind> owed_notice(const QueuedMessage& message, const SendSettings& settings,
                                      std::int64_t now);

// May the text of this recipient's deferral be wanted for a notice?
bool may_report_delay(const QueuedMessage& message, std::size_t recipient, const SendSettings& settings);

// The kind of notice that a message with failures makes at its end: to the sender or to the postmaster.
NoticeKind failure_notice(const QueuedMessage& message);

NoticeJob notice_job(const QueuedMessage& message, NoticeKind kind, const SendSettings& settings,
                     std::int64_t now);

}  // namespace hato

// One message that qmail-send has in hand: its envelope, where each recipient goes, and what became of him.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lib/mail/dsn.h"
#include "lib/mail/notice.h"
#include "lib/mail/router.h"
#include "lib/store/queuefile.h"
#include "lib/store/statefile.h"
#include "qmail-send/schedule.h"

namespace hato {

// Counts something for as long as it lives.
class Counted {
 public:
  Counted() = default;
  Counted(std::size_t& total, std::size_t number) : total_(&total), number_(number) { total += number; }
  Counted(Counted&& other) noexcept { *this = std::move(other); }
  Counted& operator=(Counted&& other) noexcept {
    std::swap(total_, other.total_);
    std::swap(number_, other.number_);
    return *this;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    if (total_ != nullptr) *total_ -= number_;
  }

 private:
  std::size_t* total_ = nullptr;
  std::size_t number_ = 0;
};

enum class Fate : std::uint8_t { pending, in_flight, done, failed };

struct RecipientState {
  Route route;
  Fate fate = Fate::pending;
  Notify notify;
  bool told = false;   // done, and the sender, who wanted to know, does
  std::string report;  // for a notice: of a failure, a success that the sender wants to know of, a deferral
  // The operator took him out while a delivery was under way: a deferral is the end (and a failure no
  // bounce).
  bool unwanted = false;
};

// Recipients of a pass with one destination: Pass::order[next] to Pass::order[end - 1] are still to be tried.
struct Share {
  std::uint64_t line;  // Turns::Line::number
  std::uint32_t next, end;
};

// A channel's pass over a message's recipients: each that is pending, and whose destination may be asked, is
// tried once.
struct Pass {
  bool running = false;
  bool asked = false;                // somebody asked for it now: hosts that are out of order are tried, too
  std::vector<std::uint32_t> order;  // recipients, by destination
  std::vector<Share> shares;         // by line
  std::size_t left = 0;              // recipients still to be tried
  std::size_t in_flight = 0;         // deliveries under way
  std::size_t pending = 0;           // recipients that have not come to an end, those in flight included
  std::int64_t due = 0;              // when this attempt was due: alive is never later while it runs
};

class QueuedMessage {
 public:
  QueuedMessage(QueueId name, bool lies_in_new, OpenedMessage file, StateFile state_file)
      : id(name), in_new(lies_in_new), opened(std::move(file)), state(std::move(state_file)) {}

  // Routes every recipient and applies what the state file knows.
  void prepare(const Router& router, const std::vector<StateRecord>& records);

  Pass& pass(Channel channel) { return passes[static_cast<unsigned>(channel)]; }
  // The share of a line in the channel's pass; null: it has none.
  Share* share(Channel channel, std::uint64_t line);
  // The next recipient of a share that is pending; npos when there is none.
  std::size_t next_recipient(Channel channel, Share& share);
  // The one that next_recipient gave last was not tried after all.
  void put_back(Channel channel, Share& share);
  // The share's recipients are not tried in this pass.
  void skip(Channel channel, Share& share);
  // Nobody is tried any more in this pass.
  void give_up(Channel channel);
  // Recipients who have come to an end in another way need no trying.
  void skip_resolved(Channel channel);
  bool has_next(Channel channel) const { return passes[static_cast<unsigned>(channel)].left > 0; }
  bool running() const { return passes[0].running || passes[1].running; }
  std::size_t unresolved() const { return passes[0].pending + passes[1].pending; }
  // Failures that somebody is to hear of (NOTIFY).
  bool has_failures() const;
  // The sender can be told at all: it is not the null sender in either of its forms.
  bool has_sender() const;
  bool wants_success(std::size_t recipient) const {
    return has_sender() && recipients[recipient].notify.success;
  }
  // A recipient has come to its end: done or failed (with a report).
  void resolve(std::size_t recipient, Fate fate, std::string report);
  // A recipient was deferred; why, for a notice and the state. Not one who has come to his end.
  void defer(std::size_t recipient, std::string report);
  // The sender knows of all successes so far.
  void tell_successes();

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  enum class Phase {
    delivering,  // or between attempts of its two channels
    moving,      // qmail-clean moves it to queue/mess
    bouncing,    // waits for, or is at, the sender of notices
    ending,      // qmail-clean unlinks it, or moves it to queue/bad
    held,        // waits in memory for its last step: what became of it could not be recorded
  };

  const QueueId id;
  bool in_new;
  OpenedMessage opened;  // its fd serves the first delivery and is empty afterwards
  StateFile state;
  std::vector<RecipientState> recipients;
  Pass passes[channels];
  Phase phase = Phase::delivering;
  Counted counted;  // among the recipients in memory
  bool deferred =
      false;             // since it was loaded it was tried, or put off to a slot: it belongs into queue/mess
  bool dying = false;    // older than queuelifetime: a deferral is a failure
  bool bounced = false;  // its sender knows of the failures
  bool delay_told = false;                  // and of the delay
  bool notice_failed = false;               // a notice about it could not be sent: the next pass tries again
  NoticeKind notice = NoticeKind::failure;  // which, while bouncing
  bool unrecorded = false;         // a record could not be written (disk full): it must not be forgotten
  std::size_t report_bytes = 0;    // of all its reports
  std::size_t deferral_bytes = 0;  // of the deferrals in its state
  bool removed = false;  // by the operator: its file is gone or going, nothing is recorded or bounced
  std::string refusal;   // why the gate refuses the bounce for good; "" if it does not
};

}  // namespace hato

// One message that qmail-send has in hand: its envelope, where each recipient goes, and what became of him.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/mail/router.h"
#include "lib/store/queuefile.h"
#include "lib/store/statefile.h"
#include "qmail-send/bounce.h"
#include "qmail-send/schedule.h"

namespace hato {

enum class Fate : std::uint8_t { pending, in_flight, done, failed };

struct RecipientState {
  Route route;
  Fate fate = Fate::pending;
  std::string report;  // of a failure: for the bounce
  // The operator took him out while a delivery was under way: a deferral is the end (and a failure no
  // bounce).
  bool unwanted = false;
};

// A channel's pass over a message's recipients: each that is pending is tried once.
struct Pass {
  bool running = false;
  std::size_t next = 0;       // recipients before it have been looked at
  std::size_t in_flight = 0;  // deliveries under way
  std::size_t pending = 0;    // recipients that have not come to an end, those in flight included
  std::int64_t due = 0;       // when this attempt was due: alive is never later while it runs
};

class QueuedMessage {
 public:
  QueuedMessage(QueueId name, bool lies_in_new, OpenedMessage file, StateFile state_file)
      : id(name), in_new(lies_in_new), opened(std::move(file)), state(std::move(state_file)) {}

  // Routes every recipient and applies what the state file knows.
  void prepare(const Router& router, const std::vector<StateRecord>& records);

  Pass& pass(Channel channel) { return passes[static_cast<unsigned>(channel)]; }
  // The next recipient of this channel that its pass has not tried; npos when there is none.
  std::size_t next_recipient(Channel channel);
  bool has_next(Channel channel);
  bool running() const { return passes[0].running || passes[1].running; }
  std::size_t unresolved() const { return passes[0].pending + passes[1].pending; }
  bool has_failures() const;
  std::vector<BouncedRecipient> failures() const;
  // A recipient has come to its end: done or failed (with a report).
  void resolve(std::size_t recipient, Fate fate, std::string report);

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  enum class Phase {
    delivering,  // or between attempts of its two channels
    moving,      // qmail-clean moves it to queue/mess
    bouncing,    // waits for, or is at, the sender of bounces
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
  bool tried = false;            // some delivery was started since it was loaded
  bool dying = false;            // older than queuelifetime: a deferral is a failure
  bool bounced = false;          // its sender knows
  bool unrecorded = false;       // a record could not be written (disk full): it must not be forgotten
  std::size_t report_bytes = 0;  // of all its failures
  bool removed = false;          // by the operator: its file is gone or going, nothing is recorded or bounced
  std::string refusal;           // why the gate refuses the bounce for good; "" if it does not
};

}  // namespace hato

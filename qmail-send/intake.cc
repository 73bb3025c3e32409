// What waits, which of it is opened next, and how its passes begin: Dispatch's part about messages that come
// in.
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "qmail-send/alive_file.h"
#include "qmail-send/dispatch.h"

namespace hato {

namespace {
constexpr std::size_t open_files = 500;          // messages whose first delivery has its descriptor already
constexpr std::size_t entries_per_round = 2000;  // of queue/new, when it is looked through
}  // namespace

void Dispatch::scan_start() {
  const std::int64_t alive = read_alive(paths_.lock("alive"));
  const QueueScan scan = scan_queue(paths_);
  for (const std::string& name : scan.misplaced)
    log_.warning(name + " is in the wrong subdirectory; left alone (qmail-qmove puts it right)");
  for (const std::uint64_t value : scan.held) held_.hold(QueueId(value));
  for (const std::uint64_t value : scan.deferred) {
    const QueueId id(value);
    const std::int64_t slot = first_slot_after(birth_of(id), Channel::local, alive);
    // One with a state may lack nothing but its bounce, which is not to wait for a slot: it is looked at
    // soon.
    const bool soon = slot > now_ && std::binary_search(scan.states.begin(), scan.states.end(), value);
    if (held_.contains(id))
      held_.park(id, {std::nullopt, flag_old});
    else
      // A slot in this very second was used, or it would have been missed: only later ones make it due.
      (slot <= now_ ? missed_ : soon ? stated_ : unsorted_).append(id, soon ? now_ + 1 : slot, flag_old);
  }
  unsorted_.arrange();
  missed_.arrange();
  stated_.arrange();
  newest_at_start_ = scan.newest();
  for (const std::uint64_t id : scan.fresh) note_new(QueueId(id));

  for (const std::uint64_t id : scan.strays(scan.states, paths_)) unlink(paths_.state(QueueId(id)).c_str());
  for (const std::uint64_t value : scan.strays(scan.held, paths_)) {
    const QueueId id(value);
    held_.release(id);
    ask_cleaner({CleanVerb::release, false, id}, {}, 0);
  }
}

void Dispatch::note_new(QueueId id) {
  if (!in_new_.insert(id.value()).second) return;
  const std::uint32_t old = id.value() <= newest_at_start_ ? flag_old : 0;
  fresh_.push({id.value(), static_cast<std::uint32_t>(now_), flag_fresh | flag_now | old});
}

// Looks through queue/new piece by piece; a name that comes to be meanwhile is announced by the trigger.
void Dispatch::step_rescan() {
  if (!rescan_.going()) {
    if (now_ < next_rescan_ || exit_soon_) return;
    next_rescan_ = now_ + rescan_seconds;
    try {
      rescan_.begin(paths_);
    } catch (const Error& e) {
      log_.warning(e.text() + "; will try again later");
      next_rescan_ = now_ + trouble_seconds;
      return;
    }
  }
  for (const QueueId id : rescan_.next(entries_per_round)) note_new(id);
}

// Opens one message that may have something for this channel; false when nothing is due. The sources take
// turns, so that neither new mail nor deferred mail can starve the other.
bool Dispatch::load_one(Channel channel) {
  constexpr unsigned sources = 5;
  Lane& l = lane(channel);
  for (unsigned tries = 0; tries < sources; ++tries) {
    l.turn = (l.turn + 1) % sources;
    std::optional<Waiting> entry;
    bool of_channel = false;
    switch (l.turn) {
      case 0:
        of_channel = true;
        if (!l.first.empty()) {
          entry = l.first.front();
          l.first.pop_front();
        }
        break;
      case 1:
        entry = fresh_.next();
        break;
      case 2:
        of_channel = true;
        entry = l.later.pop_due(now_);
        break;
      case 3:
        entry = unsorted_.pop_due(now_);
        break;
      case 4:
        if (missed_allowed_ > 0 && ((entry = missed_.pop_due(now_)) || (entry = stated_.pop_due(now_))))
          --missed_allowed_;
        break;
    }
    if (!entry) continue;
    found_work_ = false;
    load(*entry, of_channel ? &channel : nullptr);
    if (l.turn == 1) fresh_.found_work(found_work_);
    return true;
  }
  return false;
}

// Opens a message and begins what is due. `wanted` is the channel whose entry it was, null for an entry of
// the whole message.
void Dispatch::load(Waiting entry, const Channel* wanted) {
  const QueueId id(entry.id);
  if (held_.contains(id)) {
    held_.park(id, {wanted != nullptr ? std::optional(*wanted) : std::nullopt, entry.flags});
    return;
  }
  if (const auto found = active_.find(id.value()); found != active_.end()) {
    QueuedMessage& message = *found->second;
    if (wanted == nullptr) {  // only what is held has an entry of its own while it is in hand
      if (message.phase != QueuedMessage::Phase::held) return;
      message.phase = QueuedMessage::Phase::delivering;
      settle(message);
      return;
    }
    if (message.phase == QueuedMessage::Phase::delivering && !message.pass(*wanted).running)
      begin_passes(message, entry, wanted);
    else
      lane(*wanted).later.push(id, now_ + 1, entry.flags | flag_now);
    return;
  }

  if (moving_.contains(id.value())) {
    (wanted != nullptr ? lane(*wanted).later : unsorted_).push(id, now_ + 1, entry.flags | flag_now);
    return;
  }
  bool in_new = in_new_.contains(id.value());
  OpenedMessage opened;
  std::string why;
  OpenResult result;
  std::optional<StateFile> state;
  std::vector<StateRecord> records;
  const auto try_later = [&](const Error& e) {
    log_.warning("trouble opening " + name_of(id, in_new) + "; will try again later: " + e.text());
    unsorted_.push(id, now_ + trouble_seconds, entry.flags | flag_now);
  };
  try {
    result = open_message(where(id, in_new), opened, why);
    if (result == OpenResult::missing && in_new && !(entry.flags & flag_fresh)) {
      in_new_.erase(id.value());
      in_new = false;
      result = open_message(where(id, in_new), opened, why);
    }
    if (result == OpenResult::ok) {
      state.emplace(paths_.state(id), opened.header.key);
      // Only a message that came while we run and that nobody has tried yet is sure to have none.
      if (!(entry.flags & flag_fresh) || (entry.flags & flag_old)) records = state->load();
    }
  } catch (const Error& e) {
    return try_later(e);
  }
  if (result == OpenResult::missing) {
    in_new_.erase(id.value());
    return;
  }
  if (result == OpenResult::damaged) {
    log_.alert("damaged message file " + name_of(id, in_new) + ": " + why + "; moving it to queue/bad");
    cleaner_.ask({CleanVerb::bad, in_new, id});
    return;
  }

  auto owned = std::make_unique<QueuedMessage>(id, in_new, std::move(opened), std::move(*state));
  QueuedMessage& message = *owned;
  try {
    message.prepare(router_, records);
  } catch (const Error& e) {  // users/accounts.cdb
    return try_later(e);
  }
  active_[id.value()] = std::move(owned);
  message.counted = Counted(open_recipients_, message.recipients.size());
  message.dying = now_ - birth_of(id) > settings_.queue_lifetime;
  if (entry.flags & flag_fresh) {
    log_.new_message(id);
    log_.info(id, message.opened.header, message.opened.envelope);
  }
  begin_passes(message, entry, wanted);
  settle(message);
}

// Begins a pass of each channel that is due, and lets the others wait for their slot.
void Dispatch::begin_passes(QueuedMessage& message, const Waiting& entry, const Channel* wanted) {
  const std::int64_t birth = birth_of(message.id);
  std::vector<Channel> due;
  for (const Channel channel : both_channels) {
    const Pass& pass = message.pass(channel);
    if (pass.pending == 0 || pass.running) continue;
    // Since the entry was made, a SIGHUP may have sent recipients to the other channel.
    if (wanted != nullptr && channel != *wanted && (entry.flags & flag_both) &&
        message.pass(*wanted).pending > 0)
      continue;
    if ((entry.flags & flag_now) || slot_within(birth, channel, entry.due, now_))
      due.push_back(channel);
    else
      lane(channel).later.push(message.id, first_slot_after(birth, channel, now_),
                               (entry.flags & flag_old) | flag_both);
  }
  if (due.empty()) return;

  if (entry.flags & flag_old) {
    // Each delivery holds a shared lock on its own open file, also one that an earlier qmail-send started.
    const bool alone = message.opened.fd && flock(message.opened.fd.get(), LOCK_EX | LOCK_NB) == 0;
    if (!alone && message.opened.fd) {
      if (!(entry.flags & flag_told))
        log_.warning("msg " + message.id.text() +
                     " waits: a delivery that an earlier qmail-send started is still going");
      for (const Channel channel : due)
        lane(channel).later.push(message.id, now_ + old_delivery_seconds,
                                 flag_now | flag_old | flag_told |
                                     (message.pass(other_channel(channel)).pending > 0 ? flag_both : 0));
      return;
    }
    if (alone) flock(message.opened.fd.get(), LOCK_UN);
  }

  for (const Channel channel : due) {
    Lane& l = lane(channel);
    if (l.alive && l.limit > 0)
      begin_pass(message, channel, entry);
    else
      l.first.push_back({message.id.value(), entry.due, flag_now | flag_both});
  }
}

// Puts the message into the lines of its destinations. Recipients whose destination backs off are left out
// until the message's next slot, but for its last attempt. A message with one destination waits in that line
// closed, when the line is long.
void Dispatch::begin_pass(QueuedMessage& message, Channel channel, const Waiting& entry) {
  Lane& l = lane(channel);
  Pass& pass = message.pass(channel);
  const std::int64_t now = now_us();
  const std::uint32_t both = message.pass(other_channel(channel)).pending > 0 ? flag_both : 0;
  std::vector<std::pair<Turns::Line*, std::uint32_t>> by_line;
  std::size_t pending = 0;
  for (std::uint32_t i = 0; i < message.recipients.size(); ++i) {
    const RecipientState& recipient = message.recipients[i];
    if (recipient.route.channel != channel || recipient.fate != Fate::pending) continue;
    ++pending;
    Turns::Line& line = l.turns.line(destination_of(channel, recipient.route.recipient));
    // Once for an asking: of thousands of messages that were asked for the first tells whether it is back.
    if ((entry.flags & flag_asked) && std::exchange(line.forgiven, askings_) != askings_)
      line.destination.forgive();
    if (message.dying || !line.destination.backs_off(now)) by_line.push_back({&line, i});
  }
  if (by_line.empty()) {
    message.deferred = true;
    l.later.push(message.id, first_slot_after(birth_of(message.id), channel, now_), both);
    return;
  }
  std::sort(by_line.begin(), by_line.end(), [](const auto& a, const auto& b) {
    return a.first->number != b.first->number ? a.first->number < b.first->number : a.second < b.second;
  });
  Turns::Line& first = *by_line.front().first;
  const bool one_line = &first == by_line.back().first && pending == by_line.size();
  if (one_line && first.full() && !(entry.flags & flag_turn) && !message.unrecorded) {
    l.turns.add_closed(
        first, {message.id.value(), entry.due, flag_now | flag_turn | both | (entry.flags & flag_asked)});
    return;
  }
  pass.running = true;
  pass.due = entry.due;
  pass.asked = (entry.flags & flag_asked) != 0;
  pass.order.clear();
  pass.shares.clear();
  for (const auto& [line, recipient] : by_line) {
    const auto at = static_cast<std::uint32_t>(pass.order.size());
    if (pass.shares.empty() || pass.shares.back().line != line->number) {
      pass.shares.push_back({line->number, at, at});
      l.turns.add_open(*line, message.id);
      if (line->destination.may_start(now, l.places())) found_work_ = true;
    }
    pass.order.push_back(recipient);
    ++pass.shares.back().end;
  }
  pass.left = pass.order.size();
  if (active_.size() > open_files) message.opened.fd.reset();
}

}  // namespace hato
